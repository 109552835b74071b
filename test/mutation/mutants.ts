/**
 * Finds the places of a source text where one small change should turn a test red, and writes one
 * text that holds all changes, each behind a switch: so a file is compiled once for all its mutants.
 * Error texts and log lines are left alone. Pure; knows no tests.
 */
import { parseAst } from 'rolldown/parseAst';

/** One changed place. */
export interface Mutant {
  /** Counts from 1 in its file, by place. */
  readonly id: number;
  readonly line: number;
  /** The whole line, trimmed: names the place where numbers move. */
  readonly lineText: string;
  readonly from: string;
  readonly to: string;
}

/** A file with its mutants. */
export interface Mutated {
  readonly mutants: readonly Mutant[];
  /** The source with all mutants in it, off; `__mutants__.on(id)` switches one on. */
  readonly code: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

interface Change {
  readonly node: Node;
  /** Source text that stands in its place. */
  readonly to: string;
}

const COMPARISONS: Readonly<Record<string, readonly string[]>> = {
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '===': ['!=='],
  '!==': ['==='],
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '/': ['*'],
  '%': ['*'],
  '&': ['|'],
  '|': ['&'],
  '<<': ['>>'],
  '>>': ['<<'],
};
const LOGICAL: Readonly<Record<string, string>> = { '&&': '||', '||': '&&', '??': '&&' };
const ASSIGNMENTS: Readonly<Record<string, string>> = {
  '+=': '-=',
  '-=': '+=',
  '*=': '/=',
  '||=': '&&=',
  '&&=': '||=',
  '??=': '=',
};
const METHODS: ReadonlyMap<string, string> = new Map([
  ['some', 'every'],
  ['every', 'some'],
  ['startsWith', 'endsWith'],
  ['endsWith', 'startsWith'],
  ['min', 'max'],
  ['max', 'min'],
  ['floor', 'ceil'],
  ['ceil', 'floor'],
  ['toLowerCase', 'toUpperCase'],
  ['toUpperCase', 'toLowerCase'],
  ['unshift', 'push'],
  ['push', 'unshift'],
]);
/** Calls that may vanish: their value is what they are called on. */
const FILTERS = new Set(['filter', 'slice', 'trim', 'sort', 'toSorted', 'reverse', 'toReversed']);
const LOOPS = new Set([
  'ForStatement',
  'ForOfStatement',
  'ForInStatement',
  'WhileStatement',
  'DoWhileStatement',
]);

/** Makes the mutants of `source`. @throws Error when it is no TypeScript */
export function mutate(source: string): Mutated {
  const program = parseAst(source, { lang: 'ts' }) as unknown as Node;
  const changes: Change[] = [];
  collect(program, undefined, source, changes);
  const mutants = changes.map((change, index) => describeMutant(change, index + 1, source));
  const byNode = new Map<Node, { readonly to: string; readonly id: number }[]>();
  for (const [index, { node, to }] of changes.entries()) {
    byNode.set(node, [...(byNode.get(node) ?? []), { to, id: index + 1 }]);
  }
  return { mutants, code: render(program, source, byNode) };
}

/** `node` with the switches of all changes in it. */
function render(
  node: Node,
  source: string,
  byNode: ReadonlyMap<Node, readonly { readonly to: string; readonly id: number }[]>,
): string {
  let text = '';
  let at = node.start;
  for (const child of childrenOf(node)) {
    // A shorthand property names its key and its value with one text.
    if (child.start < at) continue;
    const rendered = render(child, source, byNode);
    const isBody = LOOPS.has(node.type) && node['body'] === child;
    text +=
      source.slice(at, child.start) + (isBody ? `{ __mutants__.tick(); ${rendered} }` : rendered);
    at = child.end;
  }
  text += source.slice(at, node.end);
  const changes = byNode.get(node) ?? [];
  if (changes.length === 0) return text;
  if (STATEMENTS.has(node.type)) {
    const branches = changes.map(({ id, to }) => `if (__mutants__.on(${id})) ${to} else `);
    return `{ ${branches.join('')}${text} }`;
  }
  const branches = changes.map(({ id, to }) => `__mutants__.on(${id}) ? (${to}) : `);
  return `(${branches.join('')}(${text}))`;
}

function describeMutant({ node, to }: Change, id: number, source: string): Mutant {
  const lineStart = source.lastIndexOf('\n', node.start - 1) + 1;
  const lineEnd = source.indexOf('\n', node.start);
  return {
    id,
    line: source.slice(0, node.start).split('\n').length,
    lineText: source.slice(lineStart, lineEnd === -1 ? undefined : lineEnd).trim(),
    from: oneLine(source.slice(node.start, node.end)),
    to: oneLine(to),
  };
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

/** Child nodes that hold code, in the order of the text. */
function childrenOf(node: Node): Node[] {
  return Object.values(node)
    .flatMap((value) => (Array.isArray(value) ? value : [value]))
    .filter(isNode)
    .filter(
      (child) =>
        !child.type.startsWith('TS') ||
        child.type === 'TSAsExpression' ||
        child.type === 'TSSatisfiesExpression' ||
        child.type === 'TSNonNullExpression' ||
        child.type === 'TSParameterProperty',
    )
    .sort((a, b) => a.start - b.start);
}

function collect(node: Node, parent: Node | undefined, source: string, changes: Change[]): void {
  if (isLeftAlone(node)) return;
  for (const to of new Set(replacementsOf(node, parent, source))) changes.push({ node, to });
  for (const child of childrenOf(node)) collect(child, node, source, changes);
}

const STATEMENTS = new Set([
  'ExpressionStatement',
  'ThrowStatement',
  'ReturnStatement',
  'ContinueStatement',
]);

/** Imports, log lines, and the making of errors: what they say is not what tests are for. */
function isLeftAlone(node: Node): boolean {
  if (node.type === 'ImportDeclaration' || node.type.startsWith('TSType')) return true;
  if (node.type === 'TSInterfaceDeclaration') return true;
  if (node.type === 'NewExpression') return String(nameOf(node['callee'])).endsWith('Error');
  if (node.type !== 'CallExpression') return false;
  const callee = node['callee'];
  if (!isNode(callee) || callee.type !== 'MemberExpression') return false;
  return /^#?(logger|log)$/.test(String(nameOf(callee['object'])));
}

/** The last name of `a`, `a.b` or `this.#b`. */
function nameOf(node: unknown): unknown {
  if (!isNode(node)) return undefined;
  return node['name'] ?? nameOf(node['property']);
}

function replacementsOf(node: Node, parent: Node | undefined, source: string): string[] {
  const text = (part: unknown): string => (isNode(part) ? source.slice(part.start, part.end) : '');
  return [...testsOf(node, parent), ...changesOf(node, text)].filter((to) => to !== text(node));
}

/** Conditions that always or never hold. */
function testsOf(node: Node, parent: Node | undefined): string[] {
  if (parent?.['test'] !== node) return [];
  // A loop that never ends shows nothing.
  return LOOPS.has(parent.type) ? ['false'] : ['true', 'false'];
}

function changesOf(node: Node, text: (part: unknown) => string): string[] {
  const [left, right, operator] = [
    text(node['left']),
    text(node['right']),
    String(node['operator']),
  ];
  switch (node.type) {
    case 'BinaryExpression':
      return binary(node, text);
    case 'LogicalExpression':
      return [`(${left}) ${LOGICAL[operator]} (${right})`];
    case 'UnaryExpression':
      return ['!', '-'].includes(operator) ? [text(node['argument'])] : [];
    case 'UpdateExpression':
      return [text(node).replace(/\+\+|--/, (sign) => (sign === '++' ? '--' : '++'))];
    case 'AssignmentExpression': {
      const other = ASSIGNMENTS[operator];
      return other === undefined ? [] : [`${left} ${other} ${right}`];
    }
    case 'Literal':
      return typeof node['value'] === 'boolean' ? [String(!node['value'])] : [];
    case 'CallExpression':
      return call(node, text);
    default:
      return statements(node);
  }
}

function binary(node: Node, text: (part: unknown) => string): string[] {
  const operator = String(node['operator']);
  const [left, right] = [node['left'], node['right']];
  // Adding texts is not arithmetic, and what TypeScript can't tell us here their form does.
  const isText = [left, right].some(
    (side) =>
      isNode(side) &&
      (side.type === 'TemplateLiteral' ||
        (side.type === 'Literal' && typeof side['value'] === 'string')),
  );
  if (operator === '+' && isText) return [];
  return (COMPARISONS[operator] ?? []).map((each) => `${text(left)} ${each} ${text(right)}`);
}

function call(node: Node, text: (part: unknown) => string): string[] {
  const callee = node['callee'];
  if (!isNode(callee) || callee.type !== 'MemberExpression' || callee['computed'] === true) {
    return [];
  }
  const [object, name] = [text(callee['object']), text(callee['property'])];
  // What is cut out of an optional chain would not end with it.
  if (text(callee).includes('?.')) return [];
  const isMath = ['min', 'max', 'floor', 'ceil'].includes(name);
  const other = isMath === (object === 'Math') ? METHODS.get(name) : undefined;
  const args = (node['arguments'] as readonly Node[]).map(text).join(', ');
  const swapped = other === undefined ? [] : [`${object}.${other}(${args})`];
  return FILTERS.has(name) ? [...swapped, object] : swapped;
}

/** Statements that are not there, and answers that are not given. */
function statements(node: Node): string[] {
  switch (node.type) {
    case 'ReturnStatement': {
      const argument = node['argument'];
      if (!isNode(argument)) return ['{}'];
      const isPlain = argument.type === 'Literal' || argument['name'] === 'undefined';
      return isPlain ? [] : ['return undefined;'];
    }
    case 'ThrowStatement':
    case 'ContinueStatement':
      return ['{}'];
    case 'ExpressionStatement':
      return isRemovable(node) ? ['{}'] : [];
    default:
      return [];
  }
}

function isRemovable(node: Node): boolean {
  const expression = node['expression'];
  if (!isNode(expression)) return false;
  const inner = expression.type === 'AwaitExpression' ? expression['argument'] : expression;
  if (!isNode(inner) || isLeftAlone(inner)) return false;
  if (inner.type === 'CallExpression') {
    const callee = inner['callee'];
    return isNode(callee) && callee.type !== 'Super';
  }
  return inner.type === 'AssignmentExpression' || inner.type === 'UpdateExpression';
}
