import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { systemClock } from '../../agent/clock.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
import { rehearse } from '../../agent/reboot/drain/rehearsal.ts';
import { agentPort } from '../harness/agentport.ts';
import { ControlPlane } from '../harness/kubernetes.ts';
import { StandInNodes } from '../harness/standinnodes.ts';
import { budgetCases } from './drainbudgetcases.ts';
import type { DrainCase } from './draincase.ts';
import { endingCases } from './drainendingcases.ts';
import { selectionCases } from './drainselectioncases.ts';
import { DrainSite } from './drainsite.ts';
import { type DrainRequest, type DrainVerdict, drainOptions, drainWithAgent, drainWithKubectl } from './drainways.ts';

/**
 * Nobody is there to report the nodes as alive, and the pods' DaemonSets and ReplicaSets are made up: the controllers that
 * would clean up after either stay away. Budgets, namespaces and all others are as in any cluster.
 */
const controllers = [
  '*',
  '-daemonset-controller',
  '-garbage-collector-controller',
  '-node-lifecycle-controller',
  '-pod-garbage-collector-controller',
  '-taint-eviction-controller',
].join(',');

interface Judgement {
  readonly said: string;
  readonly kubectl: Pick<DrainVerdict, 'ending' | 'fates'>;
  readonly agent: Pick<DrainVerdict, 'ending' | 'fates'>;
  readonly gone: readonly string[];
  readonly impossible: boolean;
}

describe('a drain beside kubectl drain', () => {
  let plane: ControlPlane;
  let port: KubernetesPort;
  let kubectlConfig: string;
  let nodes: StandInNodes;
  let counter = 0;

  beforeAll(async () => {
    plane = await ControlPlane.launch({
      controllerManager: true,
      controllerManagerFlags: [`--controllers=${controllers}`],
    });
    port = await agentPort(plane.clients, 'agent');
    kubectlConfig = await plane.clients.kubeconfigFile('kubectl-drain');
    nodes = new StandInNodes({ port: await agentPort(plane.clients, 'nodes'), api: plane.api });
    await nodes.start();
    await denyEvictions(plane);
  });
  afterAll(async () => {
    await nodes.stop();
    port.close();
    await plane.destroy();
  });

  /** The same case on a node for each, side by side. */
  async function judged(drainCase: DrainCase): Promise<Judgement> {
    const { setUp, meanwhile = async () => undefined } = drainCase;
    const request: DrainRequest = { timeoutSeconds: 30, ...drainCase.request };
    const number = (counter += 1);
    const theirs = await DrainSite.create(plane.api, `case-${number}-kubectl`);
    const ours = await DrainSite.create(plane.api, `case-${number}-agent`);
    await Promise.all([setUp(theirs), setUp(ours)]);
    const context = { port, nodeName: ours.name, options: drainOptions(request), clock: systemClock };
    const rehearsal = await rehearse(context, new AbortController().signal);
    const [kubectl, agent] = await Promise.all([
      drainWithKubectl(kubectlConfig, plane.folder, theirs, request),
      drainWithAgent(port, ours, request),
      meanwhile(theirs),
      meanwhile(ours),
    ]);
    const said = `kubectl: ${kubectl.said}\nagent: ${agent.said}\nrehearsal: ${JSON.stringify(rehearsal)}`;
    const gone = Object.keys(agent.fates).filter((name) => agent.fates[name] === 'gone');
    return {
      said,
      kubectl: { ending: kubectl.ending, fates: kubectl.fates },
      agent: { ending: agent.ending, fates: agent.fates },
      gone: gone.toSorted(),
      impossible: rehearsal.impossible !== undefined,
    };
  }

  describe.concurrent('judges as it does', () => {
    it.each([...selectionCases, ...budgetCases, ...endingCases])('$name', async (drainCase) => {
      const { said, kubectl, agent, gone, impossible } = await judged(drainCase);
      expect({ ...agent, said }).toEqual({ ...kubectl, said });
      const { ending = 'drained', goes, impossible: expected = false } = drainCase;
      expect({ ending: agent.ending, gone, impossible, said }).toEqual({
        said,
        ending,
        gone: [...goes].toSorted(),
        impossible: expected,
      });
    });
  });

  // kubectl's client sleeps for the 10 s that the server asks for, up to ten times, whatever its --timeout says.
  it('judges as it does a budget that nobody has counted yet', async () => {
    await plane.controllerManager?.pause();
    const { said, kubectl, agent } = await judged({
      name: 'unsynced',
      request: { timeoutSeconds: 60 },
      goes: ['a'],
      setUp: async (site) => {
        await site.pod('a', { labels: { app: 'web' } });
        await site.budget('web', { minAvailable: 0, selector: { matchLabels: { app: 'web' } } });
      },
      meanwhile: async () => {
        await delay(3_000);
        plane.controllerManager?.resume();
      },
    }).finally(() => plane.controllerManager?.resume());
    expect({ ...agent, said }).toEqual({ ...kubectl, said });
    expect(agent).toEqual({ ending: 'drained', fates: { a: 'gone' } });
  });
});

async function denyEvictions(plane: ControlPlane): Promise<void> {
  const path = '/apis/admissionregistration.k8s.io/v1';
  const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods/eviction'] };
  await plane.api.create(`${path}/validatingadmissionpolicies`, {
    metadata: { name: 'no-evictions' },
    spec: {
      failurePolicy: 'Fail',
      matchConstraints: {
        resourceRules: [rule],
        namespaceSelector: { matchLabels: { evictions: 'denied' } },
      },
      validations: [{ expression: 'false', message: 'nobody is evicted here' }],
    },
  });
  await plane.api.create(`${path}/validatingadmissionpolicybindings`, {
    metadata: { name: 'no-evictions' },
    spec: { policyName: 'no-evictions', validationActions: ['Deny'] },
  });
}
