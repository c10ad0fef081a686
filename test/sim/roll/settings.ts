import { type Config, parseConfig } from '../../../agent/config/load.ts';

export const soakMs = 20_000;

const settings = (pools: string) => `
reboot:
  enabled: true
  sentinel: { settle: 10s }
  minInterval: 1m
  deadline: 2m
  backoff: { first: 1m, longest: 8m }
  ${pools}
  gates: { maxUnhealthy: 10, patience: 1m }
  drain: { timeout: 3m }
  health: { soak: ${soakMs / 1000}s, timeout: 5m }
`;

const configs = new Map<string, Config['reboot']>();

/** Parsed once for all worlds. */
export function configOf(pools: string): Config['reboot'] {
  let config = configs.get(pools);
  if (config === undefined) {
    config = parseConfig(settings(pools), 'simulation').reboot;
    configs.set(pools, config);
  }
  return config;
}
