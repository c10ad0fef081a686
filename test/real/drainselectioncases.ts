import { both, type DrainCase, web } from './draincase.ts';
import { ownerOf } from './drainsite.ts';

/** Which pods go. */
export const selectionCases: readonly DrainCase[] = [
  { name: 'an empty node', goes: [], setUp: async () => undefined },
  { name: 'pods of a ReplicaSet', goes: ['a', 'b'], setUp: (site) => both(site.pod('a'), site.pod('b')) },
  {
    name: 'a pod on another node',
    goes: ['a'],
    setUp: (site) => both(site.pod('a'), site.pod('elsewhere', { node: 'some-other-node' })),
  },
  {
    name: 'a pod that nobody would make again',
    goes: ['bare'],
    setUp: (site) => site.pod('bare', { owner: 'none' }),
  },
  {
    name: 'a pod that nobody would make again, to be kept',
    request: { keepUnmanaged: true },
    ending: 'refused',
    impossible: true,
    goes: [],
    setUp: (site) => both(site.pod('bare', { owner: 'none' }), site.pod('a')),
  },
  {
    name: 'an owner that is no controller',
    request: { keepUnmanaged: true },
    ending: 'refused',
    impossible: true,
    goes: [],
    setUp: (site) => site.pod('owned', { owner: { ...controllerAlone('ReplicaSet', 'web') } }),
  },
  {
    name: 'a finished pod that nobody would make again, others of which are to be kept',
    request: { keepUnmanaged: true },
    goes: ['done'],
    setUp: (site) => site.pod('done', { owner: 'none', phase: 'Succeeded' }),
  },
  { name: 'data in an emptyDir', goes: ['a'], setUp: (site) => site.pod('a', { emptyDir: true }) },
  {
    name: 'data in an emptyDir, to be kept',
    request: { keepEmptyDir: true },
    ending: 'refused',
    impossible: true,
    goes: [],
    setUp: (site) => both(site.pod('data', { emptyDir: true }), site.pod('a')),
  },
  {
    name: 'a failed pod with an emptyDir, others of which are to be kept',
    request: { keepEmptyDir: true },
    goes: ['done'],
    setUp: (site) => site.pod('done', { emptyDir: true, phase: 'Failed' }),
  },
  {
    name: 'mirrors of static pods',
    goes: ['a'],
    setUp: (site) => both(site.pod('mirror', { annotations: { 'kubernetes.io/config.mirror': 'x' } }), site.pod('a')),
  },
  {
    name: 'a mirror without owner and with an emptyDir, others of which are to be kept',
    request: { keepUnmanaged: true, keepEmptyDir: true },
    goes: [],
    setUp: (site) =>
      site.pod('mirror', { owner: 'none', emptyDir: true, annotations: { 'kubernetes.io/config.mirror': 'x' } }),
  },
  {
    name: 'a pod of a DaemonSet',
    goes: ['a'],
    setUp: (site) =>
      both(site.daemonSet('agents'), site.pod('agent', { owner: ownerOf('DaemonSet', 'agents') }), site.pod('a')),
  },
  {
    name: 'a pod of a DaemonSet with an emptyDir, others of which are to be kept',
    request: { keepEmptyDir: true, keepUnmanaged: true },
    goes: [],
    setUp: (site) =>
      both(site.daemonSet('agents'), site.pod('agent', { owner: ownerOf('DaemonSet', 'agents'), emptyDir: true })),
  },
  {
    name: 'a finished pod of a DaemonSet',
    goes: ['agent'],
    setUp: (site) =>
      both(site.daemonSet('agents'), site.pod('agent', { owner: ownerOf('DaemonSet', 'agents'), phase: 'Failed' })),
  },
  {
    name: 'a pod whose DaemonSet is gone',
    goes: ['agent'],
    setUp: (site) => site.pod('agent', { owner: ownerOf('DaemonSet', 'gone') }),
  },
  {
    name: 'a pod whose DaemonSet is gone, to be kept',
    request: { keepUnmanaged: true },
    ending: 'refused',
    impossible: true,
    goes: [],
    setUp: (site) => both(site.pod('agent', { owner: ownerOf('DaemonSet', 'gone') }), site.pod('a')),
  },
  {
    name: 'a pod whose DaemonSet is gone, with an emptyDir to be kept',
    request: { keepEmptyDir: true },
    ending: 'refused',
    impossible: true,
    goes: [],
    setUp: (site) => site.pod('agent', { owner: ownerOf('DaemonSet', 'gone'), emptyDir: true }),
  },
  {
    name: 'a pod of what somebody else calls a DaemonSet',
    goes: ['agent'],
    setUp: (site) => site.pod('agent', { owner: ownerOf('DaemonSet', 'agents', 'example.com/v1') }),
  },
  {
    name: 'a pod selector',
    request: { podSelector: 'app=web' },
    goes: ['a'],
    setUp: (site) => both(site.pod('a', web), site.pod('b')),
  },
  {
    name: 'a pod selector that leaves out what may not go',
    request: { podSelector: 'app in (web)', keepUnmanaged: true },
    goes: ['a'],
    setUp: (site) => both(site.pod('a', web), site.pod('bare', { owner: 'none' })),
  },
  {
    name: 'a pod selector that fits none',
    request: { podSelector: 'app=nothing' },
    goes: [],
    setUp: (site) => site.pod('a', web),
  },
  {
    name: 'critical pods beside others',
    goes: ['a', 'dns'],
    setUp: (site) => both(site.pod('dns', { priorityClass: 'system-cluster-critical' }), site.pod('a')),
  },
];

function controllerAlone(kind: string, name: string): object {
  const { controller: _controller, ...owner } = ownerOf(kind, name);
  return owner;
}
