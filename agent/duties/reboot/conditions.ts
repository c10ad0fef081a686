import type { NodeView } from '../../cluster/node.ts';
import type { NodeObject } from '../../cluster/objects.ts';
import { isNodetenderError } from '../../errors.ts';
import type { Logger } from '../../observe/log.ts';
import type { State } from '../../reboot/state.ts';
import {
  type Condition,
  NodeCondition,
  type NodeConditionOptions,
  rebootPossible,
  rebootRequired,
} from './condition.ts';
import type { HostGate } from './hostgate.ts';
import type { RebootWatcher } from './watcher.ts';

export interface ConditionsOptions extends Omit<NodeConditionOptions, 'type' | 'usual'> {
  readonly hostGate: Pick<HostGate, 'denial'>;
  /** Told once of each way in which the host would deny a reboot. */
  readonly onDenied: (denial: string) => void;
  readonly watcher?: Pick<RebootWatcher, 'rebootPossible'> | undefined;
  readonly log: Logger;
}

/** The conditions of the Node that speak of reboots. One that cannot be written is tried again at the next step, and stands in the way of none. */
export class Conditions {
  readonly #options: ConditionsOptions;
  readonly #required: NodeCondition;
  readonly #possible: NodeCondition;
  /** Told last. */
  #denial: string | undefined;

  constructor(options: ConditionsOptions) {
    this.#options = options;
    this.#required = new NodeCondition({ ...options, type: 'RebootRequired', usual: 'False' });
    this.#possible = new NodeCondition({ ...options, type: 'RebootPossible', usual: 'True' });
  }

  /** What stands on the Node. */
  learn(node: NodeObject): void {
    this.#required.learn(node);
    this.#possible.learn(node);
  }

  /** `node` is what is seen of it now. */
  async show(state: State, node: NodeView | undefined, signal: AbortSignal): Promise<void> {
    if (node !== undefined) {
      this.#required.compare(node.conditions);
      this.#possible.compare(node.conditions);
    }
    await this.#write(this.#required, rebootRequired(state), signal);
  }

  /** A host that denies a reboot is told of before one is wanted, and before anything is cordoned for one. */
  async lookAtHost(signal: AbortSignal): Promise<void> {
    const { hostGate, onDenied, watcher, log } = this.#options;
    const denial = await hostGate.denial(signal);
    watcher?.rebootPossible(denial === undefined);
    if (denial !== undefined && denial !== this.#denial) onDenied(denial);
    else if (denial === undefined && this.#denial !== undefined) log.info('the host lets the agent reboot it again');
    this.#denial = denial;
    await this.#write(this.#possible, rebootPossible(denial), signal);
  }

  async #write(condition: NodeCondition, wanted: Condition, signal: AbortSignal): Promise<void> {
    try {
      await condition.follow(wanted, signal);
    } catch (error) {
      if (signal.aborted || !isNodetenderError(error)) throw error;
      this.#options.log.warn({ error, condition: wanted.reason }, 'a condition of the Node could not be written');
    }
  }
}
