import { expect, it } from 'vitest';

import { jsonSchema } from '../../../agent/config/schema.ts';
import { quotedIn, textOf } from '../docs/pages.ts';

it('the page on the configuration names every key of the cluster for which the chart replaces pods', () => {
  const [, taken = ''] =
    /omit \(.*?cluster.*?\)((?: "\w+")+)/.exec(textOf('charts/nodetender/templates/configmap.yaml')) ?? [];
  const known = Object.keys(jsonSchema().properties?.['cluster']?.properties ?? {});
  const atStart = known.filter((key) => !taken.includes(`"${key}"`)).map((key) => `cluster.${key}`);
  const [, sentence = ''] =
    /changes nothing\. ([^.]*(?:\.\w[^.]*)*) are read when/s.exec(textOf('docs/configuration.md')) ?? [];
  const named = quotedIn(sentence).filter((key) => key.startsWith('cluster.'));
  expect(named.toSorted()).toEqual(atStart.toSorted());
});
