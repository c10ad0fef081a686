import { describe, expect, it } from 'vitest';

import { permissionsListed, permissionsUsed } from '../harness/permissions.ts';
import type { Installation } from './installation.ts';

/**
 * Asked for only where something comes between, which the real suites bring about: another pod of the same name, a write in the
 * same moment.
 */
const atConflictsOnly = new Set(['get nodes', 'get pods']);

/** What all agents have asked the API server for since they were installed. */
export function permissions(installation: () => Installation): void {
  describe('the permissions of the chart', () => {
    it('were each used, and nothing was asked for without one', async () => {
      const listed = [...permissionsListed('agent'), ...permissionsListed('reboots')].toSorted();
      const used = permissionsUsed(await installation().requests(), listed);
      expect(used.filter((one) => !listed.includes(one))).toEqual([]);
      const unused = listed.filter((one) => !used.includes(one) && !atConflictsOnly.has(one));
      expect(unused).toEqual([]);
    });
  });
}
