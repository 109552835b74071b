/**
 * Reads what a file imports, by parsing it: a quote of another kind, a template or a type position
 * hides nothing from a parser. Knows nothing of rooms.
 */
import { isBuiltin } from 'node:module';
import { parseAst } from 'rolldown/parseAst';

/** One place where a file names another file or a library. */
export interface Import {
  /** As written, but a module of Node always begins with `node:`. */
  readonly target: string;
  /** `type`: erased by the compiler; `lazy`: loaded by `import()` when it runs. */
  readonly kind: 'value' | 'type' | 'lazy';
}

/** What one file imports, and how it loads code past the import statements. */
export interface FileImports {
  readonly imports: readonly Import[];
  /** Each way of loading code that cannot be followed, in words: `createRequire`, a computed `import()`. */
  readonly loaders: readonly string[];
}

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** Names that load modules or run text as code. */
const LOADERS = new Set([
  'require',
  'createRequire',
  'getBuiltinModule',
  'eval',
  'Function',
  'importScripts',
]);

/** The language of a file by its ending: only `.tsx` has elements, and only `.ts` has casts by `<T>`. */
export function languageOf(path: string): 'ts' | 'tsx' {
  return path.endsWith('.tsx') ? 'tsx' : 'ts';
}

/** @throws Error when the text is no TypeScript in the language that the ending of `path` tells. */
export function readImports(path: string, text: string): FileImports {
  const lang = languageOf(path);
  const key = `${lang} ${text}`;
  const known = read.get(key) ?? parseImports(text, lang);
  read.set(key, known);
  return known;
}

/** What was read before: the whole house is asked about more than once. */
const read = new Map<string, FileImports>();

function parseImports(text: string, lang: 'ts' | 'tsx'): FileImports {
  const imports: Import[] = [];
  const loaders: string[] = [];
  const add = (target: string, kind: Import['kind']): void => {
    imports.push({ target: isBuiltin(target) ? nodeName(target) : target, kind });
  };
  visit(parseAst(text, { lang }) as unknown as Node, (node) => {
    const source = constantText(node['source'] ?? node['moduleReference']);
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ExportNamedDeclaration':
      case 'ExportAllDeclaration':
        if (source !== undefined) add(source, isTypeOnly(node) ? 'type' : 'value');
        return;
      case 'TSImportType':
        add(source ?? '?', 'type');
        return;
      case 'ImportExpression':
        if (source === undefined) loaders.push('import() of a computed name');
        else add(source, 'lazy');
        return;
      case 'TSImportEqualsDeclaration':
        if (source !== undefined) add(source, 'value');
        return;
      case 'CallExpression':
      case 'NewExpression':
        loaders.push(...loaderOf(node['callee']));
        return;
      case 'ImportSpecifier':
        loaders.push(...loaderOf(node['imported']));
        return;
      default:
    }
  });
  return { imports, loaders };
}

function nodeName(target: string): string {
  return target.startsWith('node:') ? target : `node:${target}`;
}

/** The text of a literal, a template without holes or the `require()` of an import assignment. */
function constantText(value: unknown): string | undefined {
  if (!isNode(value)) return undefined;
  if (value.type === 'Literal' && typeof value['value'] === 'string') return value['value'];
  if (value.type === 'TSExternalModuleReference') return constantText(value['expression']);
  if (value.type !== 'TemplateLiteral') return undefined;
  const quasis = value['quasis'] as readonly { readonly value: { readonly cooked: string } }[];
  return quasis.length === 1 ? quasis[0]?.value.cooked : undefined;
}

function isTypeOnly(node: Node): boolean {
  if (node['importKind'] === 'type' || node['exportKind'] === 'type') return true;
  const specifiers = (node['specifiers'] ?? []) as readonly Node[];
  return (
    specifiers.length > 0 &&
    specifiers.every((each) => each['importKind'] === 'type' || each['exportKind'] === 'type')
  );
}

/** `callee` is `require`, or ends in `.createRequire`, or the like. */
function loaderOf(callee: unknown): string[] {
  if (!isNode(callee)) return [];
  if (callee.type === 'Identifier') {
    const name = callee['name'] as string;
    return LOADERS.has(name) ? [name] : [];
  }
  if (callee.type !== 'MemberExpression') return [];
  const property = callee['property'];
  const name = isNode(property) ? (property['name'] ?? property['value']) : undefined;
  // `require` is a plain method name of our own classes; as a member it loads nothing.
  return typeof name === 'string' && name !== 'require' && LOADERS.has(name) ? [name] : [];
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value;
}

/** Calls `look` for `node` and for each node below it. */
export function visit(node: Node, look: (node: Node) => void): void {
  look(node);
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) {
      for (const each of value) if (isNode(each)) visit(each, look);
    } else if (isNode(value)) visit(value, look);
  }
}
