import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

import type { Json } from './api.ts';

const file = new URL('../../charts/nodetender/files/imagelists.eraser.sh.yaml', import.meta.url);

/** The CRD that the chart installs. Its anchors are copied, as kubectl does. */
export const imageListCrd = JSON.parse(JSON.stringify(parse(readFileSync(file, 'utf8')))) as Json & {
  readonly spec: Json;
};
