/**
 * A vitest reporter for scripts/test: writes the counts of a run into the file named by TEST_SUMMARY, `PASSED FAILED SKIPPED` on
 * its first line, and below them what has failed, a few lines for each. Vitest's own JSON lacks why a hook failed.
 */
import { writeFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

import type { SerializedError } from 'vitest';
import type { Reporter, TestCase, TestModule, TestSuite } from 'vitest/node';

/** Enough for a sentence and the place where it was said; the rest stands in the output of the run. */
const MESSAGE_LENGTH = 500;

function told(title: string, errors: readonly SerializedError[]): string {
  const messages = errors.map(({ message, stacks }) => {
    const text = stripVTControlCharacters(message).slice(0, MESSAGE_LENGTH);
    const place = stacks?.[0];
    return `${text}${place === undefined ? '' : `\nat ${place.file}:${place.line}`}`.replaceAll(/^/gm, '        ');
  });
  return [`FAILED  ${title}`, ...messages].join('\n');
}

function titleOf(task: TestModule | TestSuite | TestCase): string {
  return task.type === 'module' ? task.relativeModuleId : `${task.module.relativeModuleId} > ${task.fullName}`;
}

export default class Summary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    const failures = unhandled.length === 0 ? [] : [told('outside of any test', unhandled)];
    for (const module of modules) {
      for (const task of [module, ...module.children.allSuites()]) {
        const errors = task.errors();
        if (errors.length > 0) failures.push(told(titleOf(task), errors));
      }
      for (const test of module.children.allTests()) {
        const { state, errors = [] } = test.result();
        counts[state] += 1;
        if (state === 'failed') failures.push(told(titleOf(test), errors));
      }
    }
    const { passed, failed, skipped, pending } = counts;
    // A run that has ended has none that are yet to come: they were never run.
    const lines = [`${passed} ${failed} ${skipped + pending}`, ...failures];
    writeFileSync(process.env['TEST_SUMMARY'] ?? 'summary', `${lines.join('\n')}\n`);
  }
}
