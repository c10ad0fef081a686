import { nameOf } from '../images/inventory.ts';
import type { Decision, Plan } from '../images/plan.ts';
import { plan } from '../images/policy.ts';
import { bytesInWords, plural } from '../images/wording.ts';
import { agentPolicy } from '../policies.ts';
import { imageColumns } from './columns.ts';
import { exitStatus, type Host } from './host.ts';
import { toJson } from './json.ts';
import { type Node, withNode } from './node.ts';
import type { NodeOptions } from './options.ts';
import { printable, renderTable } from './table.ts';

export type ImagesOutput = 'table' | 'wide' | 'json' | 'name';

export interface ImagesOptions extends NodeOptions {
  readonly output: ImagesOutput;
}

/** `nodetender images`: every image, and what the agent's policy says of it. */
export async function imagesCommand(options: ImagesOptions, { terminal, stop }: Host): Promise<number> {
  return await withNode(options, stop, async ({ config, gatherer, history, runtime }) => {
    const agesKnown = history.origin === 'ok';
    const inventory = await gatherer.gather(stop);
    const policy = agentPolicy(config.images, 'schedule');
    // Where no age is known the floor would be the reason for every image, and hide what the configuration says of it.
    const planned = plan(inventory, agesKnown ? policy : { ...policy, floorMs: 0 }, inventory.takenAtMs);
    const decisions = byName(planned);
    switch (options.output) {
      case 'json':
        terminal.out(toJson({ endpoint: runtime.endpoint, history: history.origin }, planned, agesKnown));
        break;
      case 'name':
        terminal.out(decisions.map(({ image }) => `${printable(nameOf(image))}\n`).join(''));
        break;
      case 'table':
      case 'wide': {
        const wide = options.output === 'wide';
        const columns = imageColumns({ nowMs: planned.plannedAtMs, agesKnown, wide, terminal });
        terminal.out(renderTable(columns, decisions, wide ? undefined : terminal.columns));
        terminal.err(remarks(planned, history));
      }
    }
    return exitStatus.done;
  });
}

function byName({ keep, remove }: Plan): Decision[] {
  const named = [...keep, ...remove].map((decision) => ({ decision, name: nameOf(decision.image) }));
  return named.sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name))).map(({ decision }) => decision);
}

function remarks({ keep, remove }: Plan, history: Node['history']): string {
  const sizeBytes = remove.reduce((sum, { image }) => sum + image.sizeBytes, 0);
  const counts = `${plural(keep.length + remove.length, 'image')}: ${keep.length} to keep, ${remove.length} to remove (${bytesInWords(sizeBytes)} as listed, shared layers counted each time)\n`;
  return `\n${counts}${historyRemark(history)}`;
}

/** Why ages are not known, and what that means; empty when they are. */
function historyRemark({ origin, problem }: Node['history']): string {
  if (origin === 'ok') return '';
  const why = origin === 'fresh' ? 'no agent has kept a history on this node' : (problem?.message ?? 'it is damaged');
  return `ages are unknown, so every image counts as just seen: ${printable(why)}; clean --dry-run shows what nothing uses\n`;
}
