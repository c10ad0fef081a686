/** The kubelet's configuration: a node on a machine that it shares, and that may be full or swap. */
export function kubeletConfiguration(options: { readonly clientCaFile: string; readonly cgroupRoot: string }): string {
  return JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: options.clientCaFile },
    },
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot: options.cgroupRoot,
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    // There is no DNS.
    resolvConf: '',
    failSwapOn: false,
    failCgroupV1: false,
    // Lowering it takes CAP_SYS_RESOURCE, which most sandboxes do not have.
    oomScoreAdj: 0,
    enforceNodeAllocatable: [],
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    // Images are removed by the agent here, or by nobody.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    // Looked at more often than on a real node, so that tests need not wait for what has changed already.
    nodeStatusUpdateFrequency: '2s',
    syncFrequency: '10s',
  });
}
