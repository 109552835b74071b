/**
 * A form for the arguments of a tool, made from its JSON Schema: a field for each property, of a kind that fits. What a
 * form can't show is written as JSON. The schema is a stranger's: nothing of it is more than text here.
 */
import type { Data } from './mcp.ts';
import { shellWord } from './words.ts';

/** What is typed, by property. */
export type Values = Readonly<Record<string, string>>;

/** Fields that are made of one schema. */
const FIELDS_MAX = 100;
const OPTIONS_MAX = 200;

/** The fields. */
export function SchemaForm({
  schema,
  values,
  onChange,
}: {
  schema: Data;
  values: Values;
  onChange: (values: Values) => void;
}) {
  const fields = fieldsOf(schema);
  if (fields.length === 0) return <p class="hint">It takes no arguments.</p>;
  return (
    <>
      {fields.map((field) => (
        <label class="field" key={field.name}>
          <span>
            {field.name} {field.isRequired ? <small>required</small> : undefined}
          </span>
          <Field
            field={field}
            value={typed(values, field.name)}
            onChange={(value) => onChange({ ...values, [field.name]: value })}
          />
          {field.description === '' ? undefined : <small>{field.description}</small>}
        </label>
      ))}
    </>
  );
}

interface FieldInit {
  readonly name: string;
  readonly kind: 'text' | 'number' | 'boolean' | 'choice' | 'json';
  readonly isRequired: boolean;
  readonly description: string;
  readonly options: readonly string[];
}

function Field({
  field: { kind, isRequired, options },
  value,
  onChange,
}: {
  field: FieldInit;
  value: string;
  onChange: (value: string) => void;
}) {
  switch (kind) {
    case 'boolean':
    case 'choice': {
      const words = kind === 'boolean' ? ['true', 'false'] : options;
      return (
        <select
          value={value}
          required={isRequired}
          onChange={(event) => onChange(event.currentTarget.value)}
        >
          {['', ...words].map((word) => (
            <option value={word} key={word}>
              {word === '' ? '–' : word}
            </option>
          ))}
        </select>
      );
    }
    case 'json':
      return (
        <textarea
          value={value}
          required={isRequired}
          placeholder="JSON"
          spellcheck={false}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      );
    case 'number':
      return (
        <input
          type="number"
          step="any"
          value={value}
          required={isRequired}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      );
    default:
      return (
        <input
          value={value}
          required={isRequired}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      );
  }
}

/** What is typed; a schema may call a property like one that every object has. */
function typed(values: Values, name: string): string {
  return Object.hasOwn(values, name) ? (values[name] ?? '') : '';
}

/** What is typed as arguments. @throws Error for text that should be JSON and is not */
export function argumentsOf(schema: Data, values: Values): Data {
  const given = fieldsOf(schema).filter(({ name }) => typed(values, name) !== '');
  return Object.fromEntries(
    given.map((field) => [field.name, valueOf(field, typed(values, field.name))]),
  );
}

/** The command that makes the same call. */
export function commandOf(tool: string, schema: Data, values: Values): string {
  const given = fieldsOf(schema).filter(({ name }) => typed(values, name) !== '');
  const args = given.map(({ name }) => ` --arg ${shellWord(`${name}=${typed(values, name)}`)}`);
  return `starling call ${shellWord(tool)}${args.join('')}`;
}

function valueOf({ kind, name }: FieldInit, text: string): unknown {
  if (kind === 'number') return Number(text);
  if (kind === 'boolean') return text === 'true';
  if (kind !== 'json') return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${name}: this is not JSON`);
  }
}

function fieldsOf(schema: Data): readonly FieldInit[] {
  const { properties, required } = schema;
  if (typeof properties !== 'object' || properties === null) return [];
  const wanted = Array.isArray(required) ? (required as readonly unknown[]) : [];
  return Object.entries(properties)
    .slice(0, FIELDS_MAX)
    .map(([name, property]) => fieldOf(name, property as Data | null, wanted.includes(name)));
}

function fieldOf(name: string, property: Data | null, isRequired: boolean): FieldInit {
  const { type, description, enum: words } = property ?? {};
  const options = Array.isArray(words)
    ? words.slice(0, OPTIONS_MAX).filter((word) => typeof word === 'string')
    : [];
  const kinds: Readonly<Record<string, FieldInit['kind']>> = {
    string: 'text',
    number: 'number',
    integer: 'number',
    boolean: 'boolean',
  };
  // A type may be anything, also what can't be made a text.
  const known = typeof type === 'string' && Object.hasOwn(kinds, type) ? kinds[type] : undefined;
  const kind = options.length > 0 ? 'choice' : (known ?? 'json');
  return {
    name,
    kind,
    isRequired,
    options,
    description: typeof description === 'string' ? description : '',
  };
}
