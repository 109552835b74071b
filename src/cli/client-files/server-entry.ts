/** An entry of `mcpServers` as people see it: what it runs or where it connects, and no secret. */
import type { Json, JsonObject } from '../../core/json/json.ts';
import { shellWord } from '../../core/words/shell-word.ts';
import { isObject } from '../../core/json/value-checks.ts';
import { safeLine } from '../terminal/output.ts';

/** What may be shown of an entry. */
export interface EntryFacts {
  readonly kind: 'stdio' | 'http' | 'sse' | 'unknown';
  readonly disabled: boolean;
  readonly command?: string;
  readonly args?: readonly string[];
  /** Values of its query are left out. */
  readonly url?: string;
  /** Names only. */
  readonly env?: readonly string[];
  /** Names only. */
  readonly headers?: readonly string[];
  readonly cwd?: string;
  readonly envFile?: string;
}

/** The facts of an entry, whatever it is. */
export function factsOf(entry: Json): EntryFacts {
  const fields: JsonObject = isObject(entry) ? entry : {};
  const { args } = fields;
  const command = textOf(fields['command']);
  const url = textOf(fields['url'] ?? fields['serverUrl'] ?? fields['httpUrl']);
  const cwd = textOf(fields['cwd']);
  const envFile = textOf(fields['envFile']);
  const [env, headers] = [namesOf(fields['env']), namesOf(fields['headers'])];
  const type = fields['type'] ?? fields['transport'] ?? fields['transportType'];
  const remote = type === 'sse' ? 'sse' : 'http';
  return {
    kind: command === undefined ? (url === undefined ? 'unknown' : remote) : 'stdio',
    disabled: fields['disabled'] === true || fields['enabled'] === false,
    ...(command === undefined ? {} : { command }),
    ...(Array.isArray(args) ? { args: args.map(String) } : {}),
    ...(url === undefined ? {} : { url: withoutQuery(url) }),
    ...(env.length === 0 ? {} : { env }),
    ...(headers.length === 0 ? {} : { headers }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(envFile === undefined ? {} : { envFile }),
  };
}

/** The command as one would type it, or the URL; on one line. */
export function lineOf(facts: EntryFacts): string {
  const words = facts.command === undefined ? [] : [facts.command, ...(facts.args ?? [])];
  return safeLine(words.length > 0 ? words.map(shellWord).join(' ') : (facts.url ?? '–'));
}

/** Lines that say all that would happen: what runs and where, and what it is given. */
export function describeEntry(facts: EntryFacts): readonly string[] {
  const list = (names: readonly string[]): string => safeLine(names.join(', '));
  return [
    `${facts.command === undefined ? 'connects to' : 'runs'}: ${lineOf(facts)}`,
    ...(facts.cwd === undefined ? [] : [`in the folder: ${safeLine(facts.cwd)}`]),
    ...(facts.env === undefined ? [] : [`with the variables: ${list(facts.env)}`]),
    ...(facts.envFile === undefined ? [] : [`with those of the file: ${safeLine(facts.envFile)}`]),
    ...(facts.headers === undefined ? [] : [`with the headers: ${list(facts.headers)}`]),
    ...(facts.disabled ? ['disabled'] : []),
  ];
}

function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function namesOf(value: Json | undefined): readonly string[] {
  return isObject(value) ? Object.keys(value) : [];
}

/** Keys of services are often in the query. */
function withoutQuery(url: string): string {
  return url.replace(/^([^?#]*)\?[^#]*/, '$1?…').replace(/\/\/[^/@]*@/, '//…@');
}

/** Names that secrets have. */
const SECRET = /TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|^AUTHORIZATION$/i;

/** Variables and headers of an entry that look like secrets and stand there in clear. */
export function plainSecretsIn(entry: Json): readonly string[] {
  const fields = isObject(entry) ? entry : {};
  return [fields['env'], fields['headers']].flatMap((some) =>
    Object.entries(isObject(some) ? some : {})
      .filter(([name, value]) => SECRET.test(name) && typeof value === 'string' && value !== '')
      .filter(([, value]) => !String(value).includes('${'))
      .map(([name]) => name),
  );
}

/** What a person is told of them, a line each. */
export function secretLines(server: string, names: readonly string[]): readonly string[] {
  return names.map((name) => {
    const kept = name.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_');
    return safeLine(
      `${name} of ${server} stands there in clear: keep it with starling secret set ${kept}, and write \${secret:${kept}} in its place`,
    );
  });
}
