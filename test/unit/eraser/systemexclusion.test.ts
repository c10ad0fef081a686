import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

import { readExclusionList } from '../../../agent/eraser/exclusionlist.ts';
import { systemRules } from '../../../agent/images/system.ts';

it('the list of system images that people can read is the one that is built in', async () => {
  const file = new URL('../../../charts/nodetender/files/system-exclusion.json', import.meta.url);
  const list = readExclusionList({ data: { 'system-exclusion.json': await readFile(file, 'utf8') } });
  expect(list).toEqual({ ok: true, rules: systemRules });
});
