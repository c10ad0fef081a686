import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

import { chartValues, leaves } from './values.ts';
import { valuesSchema } from './valuesschema.ts';

const file = fileURLToPath(new URL('../../../charts/nodetender/values.schema.json', import.meta.url));
const values = chartValues();

it('the schema of the values is made of the agent’s own and of the file of values', async () => {
  await expect(`${JSON.stringify(valuesSchema(values), undefined, 2)}\n`).toMatchFileSnapshot(file);
});

it('every value has a comment that says what it is', () => {
  expect(
    leaves(values)
      .filter(({ meaning }) => !/^[A-Z].*[.})]$/.test(meaning))
      .map(({ path }) => path),
  ).toEqual([]);
});
