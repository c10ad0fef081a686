import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';

/**
 * The few process metrics worth their cost, under the names every Prometheus client uses. prom-client's own set adds some
 * forty series, a garbage-collection observer and a timer, and reads several files under /proc at each scrape.
 */
export function registerProcessMetrics(registry: Registry): void {
  const started = new Gauge({
    name: 'process_start_time_seconds',
    help: 'When the process started, seconds since the epoch.',
    registers: [],
  });
  started.set(Math.round(performance.timeOrigin) / 1000);

  const memory: Gauge = new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the process.',
    registers: [],
    collect: () => memory.set(process.memoryUsage.rss()),
  });

  const cpu: Counter = new Counter({
    name: 'process_cpu_seconds_total',
    help: 'User and system CPU time spent.',
    registers: [],
    collect: () => {
      const { user, system } = process.cpuUsage();
      cpu.reset();
      cpu.inc((user + system) / 1e6);
    },
  });

  for (const metric of [started, memory, cpu]) registry.registerMetric(metric);
}
