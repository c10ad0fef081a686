import type { Clock } from '../../clock.ts';
import { annotationPrefix } from '../../cluster/names.ts';
import { type LeaseObject, leases } from '../../cluster/objects.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { isNodetenderError } from '../../errors.ts';
import { decodeHandled, encodeHandled, type Handled } from '../../eraser/handled.ts';
import { decodeRosters, encodeRosters, type Rosters } from '../../eraser/rosters.ts';

export interface ReporterLeaseOptions {
  readonly port: Pick<KubernetesPort, 'get' | 'create' | 'patch'>;
  /** The agent's own. */
  readonly namespace: string;
  /** The node's name. */
  readonly holder: string;
  readonly clock: Clock;
}

/** A holder that has not renewed it for so long is taken for dead. */
export const leaseSeconds = 30;
export const reporterLeaseName = 'nodetender-imagelist';
const rostersAnnotation = `${annotationPrefix}rosters`;
const handledAnnotation = `${annotationPrefix}handled`;

/** What one reporter leaves to the next. */
export interface Bequest {
  /** The nodes of the runs under way. */
  readonly rosters: Rosters;
  readonly handled: Handled;
}

/** What the holder's last write left. */
interface Held extends Bequest {
  readonly resourceVersion: string;
}

const nothing: Bequest = { rosters: new Map(), handled: new Map() };

/**
 * The Lease of the one agent that sums up ImageLists. Nobody holds it while there is nothing to sum up. Two holders for a
 * moment do no harm: they count the same nodes, and what must not be done twice is written under a resourceVersion.
 */
export class ReporterLease {
  readonly #options: ReporterLeaseOptions;
  #held: Held | undefined;
  /** Somebody else's, and since when (monotonic) it has looked the same to us: no two clocks are compared. */
  #others: { readonly resourceVersion: string; readonly sinceMs: number } | undefined;

  constructor(options: ReporterLeaseOptions) {
    this.#options = options;
  }

  /** As the holders before and this one have recorded it. */
  get bequest(): Bequest {
    return this.#held ?? nothing;
  }

  /**
   * True when it is ours now; false while another holds it. `isSilent` says that its holder has not been heard where it
   * should have been: then its Lease need not be watched for a while first. Throws ClusterError.
   */
  async take(isSilent: boolean, signal: AbortSignal): Promise<boolean> {
    const found = await this.#read(signal);
    try {
      if (found === undefined) {
        await this.#create(signal);
        return true;
      }
      if (!this.#isFree(found) && !isSilent) return false;
      const { resourceVersion, annotations = {} } = found.metadata;
      const rosters = decodeRosters(annotations[rostersAnnotation]);
      const handled = decodeHandled(annotations[handledAnnotation]);
      await this.#write({ resourceVersion, rosters, handled }, this.#options.holder, signal);
      return true;
    } catch (error) {
      if (isNodetenderError(error, 'cluster/conflict', 'cluster/already-exists')) return false;
      throw error;
    }
  }

  /** Keeps it for another while. Throws `cluster/conflict` when somebody else has it. */
  async renew(bequest: Bequest, signal: AbortSignal): Promise<void> {
    if (this.#held === undefined) throw new Error('renewed without being held');
    await this.#write({ ...this.#held, ...bequest }, this.#options.holder, signal);
  }

  async release(bequest: Bequest, signal: AbortSignal): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) await this.#write({ ...held, ...bequest }, '', signal);
    this.#held = undefined;
  }

  async #read(signal: AbortSignal): Promise<LeaseObject | undefined> {
    const { port, namespace } = this.#options;
    try {
      return await port.get(leases, { namespace, name: reporterLeaseName }, { signal });
    } catch (error) {
      if (isNodetenderError(error, 'cluster/not-found')) return undefined;
      throw error;
    }
  }

  #isFree({ metadata: { resourceVersion }, spec }: LeaseObject): boolean {
    const { clock, holder } = this.#options;
    const by = spec?.holderIdentity ?? '';
    // Our own: from an earlier life of this agent.
    if (by === '' || by === holder) return true;
    if (this.#others?.resourceVersion !== resourceVersion) {
      this.#others = { resourceVersion, sinceMs: clock.monotonicMs() };
    }
    return clock.monotonicMs() - this.#others.sinceMs >= leaseSeconds * 1000;
  }

  async #create(signal: AbortSignal): Promise<void> {
    const { port, namespace, holder } = this.#options;
    const created = await port.create<LeaseObject>(
      leases,
      namespace,
      { metadata: { name: reporterLeaseName }, spec: this.#spec(holder) },
      { signal },
    );
    this.#held = { ...nothing, resourceVersion: created.metadata.resourceVersion };
  }

  async #write({ resourceVersion, rosters, handled }: Held, holder: string, signal: AbortSignal): Promise<void> {
    const { port, namespace } = this.#options;
    const annotations = {
      [rostersAnnotation]: rosters.size === 0 ? null : encodeRosters(rosters),
      [handledAnnotation]: handled.size === 0 ? null : encodeHandled(handled),
    };
    const written = await port.patch(
      leases,
      { namespace, name: reporterLeaseName },
      { type: 'merge', body: { metadata: { resourceVersion, annotations }, spec: this.#spec(holder) } },
      { signal },
    );
    this.#held = { resourceVersion: written.metadata.resourceVersion, rosters, handled };
  }

  #spec(holder: string): object {
    const renewTime = new Date(this.#options.clock.nowMs()).toISOString().replace('Z', '000Z');
    return { holderIdentity: holder, leaseDurationSeconds: leaseSeconds, renewTime };
  }
}
