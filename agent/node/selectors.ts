import { NodetenderError } from '../errors.ts';

/** A label selector as kubectl takes it: `a`, `!a`, `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, joined by commas. */
export interface LabelSelector {
  readonly text: string;
  readonly requirements: readonly Requirement[];
}

interface Requirement {
  readonly key: string;
  readonly operator: 'exists' | 'absent' | 'in' | 'notin';
  readonly values: readonly string[];
}

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const keyPattern = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const valuePattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/;
const maxLength = 4096;

/** Reads a selector. Throws NodetenderError `rule/invalid`, which quotes the part that is wrong. */
export function parseLabelSelector(text: string): LabelSelector {
  if (text.length > maxLength) throw invalid(text, `it has ${text.length} characters, at most ${maxLength} are read`);
  // A comma inside parentheses belongs to the values.
  const parts = text.split(/,(?![^(]*\))/).map((part) => part.trim());
  if (parts.some((part) => part === '')) throw invalid(text, 'there is an empty part');
  return { text, requirements: parts.map((part) => parseRequirement(text, part)) };
}

export function selectorMatches({ requirements }: LabelSelector, labels: ReadonlyMap<string, string>): boolean {
  return requirements.every(({ key, operator, values }) => {
    const value = labels.get(key);
    switch (operator) {
      case 'exists':
        return value !== undefined;
      case 'absent':
        return value === undefined;
      case 'in':
        return value !== undefined && values.includes(value);
      case 'notin':
        // As Kubernetes has it: a node without the label is not in the set either.
        return value === undefined || !values.includes(value);
    }
  });
}

function parseRequirement(text: string, part: string): Requirement {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(part);
  if (set) {
    const [, key = '', operator, values = ''] = set;
    return checked(
      text,
      key,
      operator === 'in' ? 'in' : 'notin',
      values.split(',').map((value) => value.trim()),
    );
  }
  const equality = /^([^=!\s]+)\s*(==|=|!=)\s*([^=!\s]*)$/.exec(part);
  if (equality) {
    const [, key = '', operator, value = ''] = equality;
    return checked(text, key, operator === '!=' ? 'notin' : 'in', [value]);
  }
  if (part.startsWith('!')) return checked(text, part.slice(1).trim(), 'absent', []);
  return checked(text, part, 'exists', []);
}

function checked(text: string, key: string, operator: Requirement['operator'], values: string[]): Requirement {
  if (!keyPattern.test(key)) throw invalid(text, `${quote(key)} is no key of a label`);
  const bad = values.find((value) => !valuePattern.test(value));
  if (bad !== undefined) throw invalid(text, `${quote(bad)} is no value of a label`);
  return { key, operator, values };
}

function invalid(text: string, problem: string): NodetenderError {
  return new NodetenderError(
    'rule/invalid',
    `label selector ${quote(text)}: ${problem}; for example: eraser.sh/cleanup.filter or pool in (a,b)`,
  );
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
