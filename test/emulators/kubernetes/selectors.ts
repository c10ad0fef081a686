import { at, isObject, type Json, listAt, objectAt, type StoredObject, textAt } from './objects.ts';
import { badRequest } from './status.ts';

export type Test = (object: StoredObject) => boolean;

const everything: Test = () => true;

/** A label selector as a query has it: `a=b,c!=d,e,!f,g in (h,i),j notin (k)`. */
export function labelTest(selector: string): Test {
  if (selector.trim() === '') return everything;
  // Commas within parentheses separate values, the others requirements.
  const tests = selector.split(/,(?![^(]*\))/).map((part) => requirement(part.trim(), selector));
  return (object) => {
    const labels = objectAt(object, 'metadata.labels');
    return tests.every((test) => test(labels));
  };
}

type LabelsTest = (labels: Readonly<Record<string, Json>>) => boolean;

function requirement(text: string, selector: string): LabelsTest {
  const set = /^([^\s!=,()]+)\s+(in|notin)\s+\(([^()]*)\)$/.exec(text);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = new Set<Json>(list.split(',').map((value) => value.trim()));
    const among: LabelsTest = (labels) => Object.hasOwn(labels, key) && values.has(labels[key] ?? '');
    return operator === 'in' ? among : (labels) => !among(labels);
  }
  const pair = /^([^\s!=,()]+)\s*(==|=|!=)\s*([^\s!=,()]*)$/.exec(text);
  if (pair !== null) {
    const [, key = '', operator, value] = pair;
    const same: LabelsTest = (labels) => Object.hasOwn(labels, key) && labels[key] === value;
    return operator === '!=' ? (labels) => !same(labels) : same;
  }
  const presence = /^(!?)\s*([^\s!=,()]+)$/.exec(text);
  if (presence === null) throw badRequest(`unable to parse requirement: ${JSON.stringify(selector)}`);
  const [, not, key = ''] = presence;
  return (labels) => Object.hasOwn(labels, key) === (not === '');
}

/** A field selector as a query has it: `spec.nodeName=a,status.phase!=Failed`. Only fields listed may be named. */
export function fieldTest(selector: string, selectable: readonly string[]): Test {
  if (selector.trim() === '') return everything;
  const tests = selector.split(',').map((part): Test => {
    const parsed = /^([^!=]+)(==|=|!=)(.*)$/.exec(part.trim());
    if (parsed === null) throw badRequest(`invalid selector: '${selector}'; can't understand '${part}'`);
    const [, field = '', operator, value] = parsed;
    if (field !== 'metadata.name' && field !== 'metadata.namespace' && !selectable.includes(field)) {
      throw badRequest(`field label not supported: ${field}`);
    }
    return (object) => (fieldText(field, at(object, field)) === value) !== (operator === '!=');
  });
  return (object) => tests.every((test) => test(object));
}

const booleanFields = new Set(['spec.unschedulable', 'spec.hostNetwork']);

/** Everything is compared as text; what is absent is '', a boolean false. */
function fieldText(field: string, value: Json | undefined): string {
  if (value === undefined || value === null) return booleanFields.has(field) ? 'false' : '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A selector as an object's spec has it: `{matchLabels, matchExpressions}`. An empty one selects everything. */
export function matchesLabelSelector(selector: Json | undefined, object: StoredObject): boolean {
  if (!isObject(selector)) return false;
  const labels = objectAt(object, 'metadata.labels');
  const pairs = Object.entries(objectAt(selector, 'matchLabels'));
  return (
    pairs.every(([key, value]) => labels[key] === value) &&
    listAt(selector, 'matchExpressions').every((expression) => {
      const key = textAt(expression, 'key');
      const present = Object.hasOwn(labels, key);
      const among = present && listAt(expression, 'values').includes(labels[key] ?? '');
      switch (textAt(expression, 'operator')) {
        case 'In':
          return among;
        case 'NotIn':
          return !among;
        case 'Exists':
          return present;
        default:
          return !present;
      }
    })
  );
}
