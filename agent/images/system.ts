import { parseRule } from './rules.ts';
import type { Rule } from './rules.ts';

/**
 * Images without which a node cannot start a pod, and our own. They run in no container that the runtime lists, or only for
 * a moment, and many runtimes do not pin them. Eraser removed pause and all pod starts stuck
 * (https://github.com/eraser-dev/eraser/issues/1107). Keep rules: `*` stands for any registry and any path, because
 * air-gapped clusters have these images under a mirror's name; an image of a few hundred kilobytes too many does no harm.
 */
export const systemRules: readonly Rule[] = [
  // registry.k8s.io, k8s.gcr.io, mcr.microsoft.com/oss/kubernetes, gke.gcr.io, …dkr.ecr….amazonaws.com/eks, and mirrors of them.
  '*/pause',
  // One repository per architecture (pause-amd64), as older clusters and MicroK8s have it.
  '*/pause-amd64',
  '*/pause-arm64',
  // k3s and RKE2.
  '*/mirrored-pause',
  // OpenShift's pod image, and the release payload that it is part of.
  '*/ose-pod',
  '*/origin-pod',
  '*/openshift-release-dev/*',
  // The next start of the agent must not need a registry.
  '*/nodetender',
].map((text) => parseRule(text));
