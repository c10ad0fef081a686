import type { Clients } from '../harness/clients.ts';
import { MemberNode } from '../harness/membernode.ts';
import type { RealNode } from '../harness/twonodes/node.ts';

/** A node as its owner has it: the machine, and the Node in the cluster. */
export class InstalledNode extends MemberNode {
  readonly real: RealNode;

  constructor(clients: Clients, real: RealNode) {
    super(clients, real.name);
    this.real = real;
  }
}
