import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { networkComponents } from '../components.ts';
import { Namespace } from '../namespace.ts';
import { addressesOf, apiAddress, bridgeAddress, bridgeMac } from './addresses.ts';

const execute = promisify(execFile);
const BRIDGE = 'nodes';

/**
 * A bridge with the control plane's addresses on it, and nodes as its ports, in network namespaces of their own: nothing of it is
 * seen by the machine, and all of it ends with their processes.
 */
export class Network {
  readonly #namespace: Namespace;
  /** Ports ever made: one that is taken away may live on for a moment. */
  #ports = 0;

  private constructor(namespace: Namespace) {
    this.#namespace = namespace;
  }

  static async create(): Promise<Network> {
    const network = new Network(await Namespace.create({ hostname: 'control-plane', setup: forwarding }));
    try {
      // A bridge takes another MAC address when a port leaves, and its nodes would lose the API server: so it is given one.
      await network.#ip(network.#namespace, [
        'link set lo up',
        `link add ${BRIDGE} address ${bridgeMac} type bridge`,
        `addr add ${bridgeAddress}/24 dev ${BRIDGE}`,
        `addr add ${apiAddress}/32 dev ${BRIDGE}`,
        `link set ${BRIDGE} up`,
      ]);
      return network;
    } catch (error) {
      await network.destroy();
      throw error;
    }
  }

  /** A command line that runs another beside the API server; it becomes that program. */
  get enter(): readonly string[] {
    return ['nsenter', `--net=/proc/${this.#namespace.initPid}/ns/net`];
  }

  /** Connects a node that has just started; `others` are all numbers of nodes. */
  async attach(node: Namespace, number: number, others: readonly number[]): Promise<void> {
    this.#ports += 1;
    const port = `node${this.#ports}`;
    const { node: address, pods, mac } = addressesOf(number);
    const peer = `type veth peer name eth0 address ${mac} netns ${node.initPid}`;
    await this.#ip(this.#namespace, [`link add ${port} ${peer}`, `link set ${port} master ${BRIDGE} up`]);
    await this.#ip(node, [
      'link set lo up',
      `addr add ${address}/24 dev eth0`,
      'link set eth0 up',
      `route add default via ${bridgeAddress}`,
      ...others.flatMap((other) => {
        const { node: via, pods: to } = addressesOf(other);
        return other === number ? [] : [`route add ${to} via ${via}`];
      }),
    ]);
    await this.#ip(this.#namespace, [`route replace ${pods} via ${address} dev ${BRIDGE}`]);
  }

  async destroy(): Promise<void> {
    await this.#namespace.destroy();
  }

  async #ip(where: Namespace, commands: readonly string[]): Promise<void> {
    const { ip, libraryPath } = networkComponents();
    const enter = [`--net=/proc/${where.initPid}/ns/net`, '--'];
    const running = execute('nsenter', [...enter, ip, '-batch', '-'], { env: { LD_LIBRARY_PATH: libraryPath } });
    running.child.stdin?.end(`${commands.join('\n')}\n`);
    await running;
  }
}

/** Of whoever passes packets on between a bridge and the rest. */
export const forwarding = 'echo 1 >/proc/sys/net/ipv4/ip_forward';
