/** `docs/reference/configuration.md`: every key of the config file, from its schema. */
import { configJsonSchema } from '../../config/schema/json-schema.ts';
import type { Json, JsonObject } from '../../core/json/json.ts';
import { isObject } from '../../core/json/value-checks.ts';
import { code, page, table } from './markdown.ts';

/** A key of the config file. */
export interface ConfigKey {
  /** Dotted, with `<name>` for names that people choose. */
  readonly key: string;
  /** What may stand there. */
  readonly form: string;
  /** As it stands in the file; empty when there is none. */
  readonly default: string;
  readonly text: string;
}

/** Groups that fill a table of their own. */
const GROUPS = [
  'http',
  'tcp',
  'mcpServers',
  'agents',
  'list',
  'views',
  'audit',
  'heartbeat',
  'keepAlive',
  'retry',
  'limits',
  'log',
];

/** All keys, in the order of the schema; groups are followed by what is in them. */
export function configKeys(): readonly ConfigKey[] {
  return keysOf(configJsonSchema(), '');
}

/** `docs/reference/configuration.md`, from the schema of the config file. */
export function configurationPage(): string {
  const all = configKeys().filter(({ key }) => key !== '$schema');
  const rows = (keys: readonly ConfigKey[]): string =>
    table(
      ['key', 'form', 'default', 'what it does'],
      keys.map((one) => [code(one.key), one.form, code(one.default), one.text]),
    );
  const groupOf = ({ key }: ConfigKey): string | undefined =>
    GROUPS.find((group) => key === group || key.startsWith(`${group}.`));
  return page(
    'Configuration',
    [
      'Keys of the config file (`starling up --config <file>`, else `starling.json` in the folder of the',
      'platform, like `~/.config/starling`). The environment wins over the file, the command line over both.',
      'Times are in milliseconds where the name ends in `Ms` or nothing else is said, sizes in bytes.',
    ].join('\n'),
    [
      rows(all.filter((one) => groupOf(one) === undefined)),
      ...GROUPS.flatMap((group) => {
        const keys = all.filter((one) => groupOf(one) === group);
        const [head, ...below] = keys;
        return [`## ${group}`, ...(head?.text ? [head.text] : []), rows(below)];
      }),
    ],
  );
}

function keysOf(schema: JsonObject, prefix: string): readonly ConfigKey[] {
  const properties = Object.entries(objectAt(schema, 'properties'));
  return properties.flatMap(([name, below]) => {
    if (!isObject(below)) return [];
    const key = prefix === '' ? name : `${prefix}.${name}`;
    const text = below['description'];
    const row: ConfigKey = {
      key,
      form: formOf(below),
      default: 'default' in below ? shown(below['default']) : '',
      text: typeof text === 'string' ? text : '',
    };
    const named = objectAt(below, 'additionalProperties');
    const inner = 'properties' in named ? keysOf(named, `${key}.<name>`) : keysOf(below, key);
    return [inner.length > 0 ? { ...row, default: '' } : row, ...inner];
  });
}

function formOf(schema: JsonObject): string {
  const { type, enum: choices, const: only, anyOf, minimum, maximum, items } = schema;
  if (Array.isArray(choices)) return choices.map((choice: Json) => code(String(choice))).join(', ');
  if (only !== undefined) return code(String(only));
  if (Array.isArray(anyOf))
    return (anyOf as readonly Json[])
      .flatMap((one) => (isObject(one) ? [formOf(one)] : []))
      .join(', or ');
  switch (type) {
    case 'integer':
    case 'number':
      return `${type === 'integer' ? 'whole number' : 'number'}${range(minimum, maximum)}`;
    case 'boolean':
      return '`true` or `false`';
    case 'string':
      return 'text';
    case 'array':
      return isObject(items) ? `list of ${plural(formOf(items))}` : 'list';
    case 'object':
      return 'object';
    default:
      return 'anything';
  }
}

function plural(form: string): string {
  return form === 'text' ? 'texts' : form;
}

function range(minimum: Json | undefined, maximum: Json | undefined): string {
  const isBound = (bound: Json | undefined): bound is number =>
    typeof bound === 'number' && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  if (isBound(minimum) && isBound(maximum)) return ` from ${minimum} to ${maximum}`;
  return isBound(minimum) ? ` from ${minimum}` : '';
}

function shown(value: Json | undefined): string {
  return JSON.stringify(value ?? null);
}

function objectAt(schema: JsonObject, key: string): JsonObject {
  const value = schema[key];
  return isObject(value) ? value : {};
}
