/**
 * A configuration file as others may see it: numbers, switches and the texts of keys that are known to hold no secret.
 * Every other text is counted and not shown, also that of a key which nobody knows.
 */
import { isObject } from '../core/index.ts';
import type { Json } from '../core/index.ts';

/** What may be shown of a file. */
export interface ShownConfig {
  readonly shown: Json;
  /** The texts that were left out: whoever shows anything else takes these out of it. */
  readonly hidden: readonly string[];
}

/** Keys whose texts are shown; `*` is any name, and what stands below a key counts as well. */
const SHOWN: readonly string[] = [
  'name',
  'stateDir',
  'listen',
  'announce',
  'offers',
  'bootstrap',
  'knock',
  'open',
  'meshName',
  'http.host',
  'http.allowedOrigins',
  'http.allowedHosts',
  'http.allowedAddresses',
  'http.tls',
  'http.oauth.issuer',
  'http.oauth.audience',
  'http.oauth.scopes',
  'tcp.host',
  'mcpServers.*.type',
  'mcpServers.*.transport',
  'mcpServers.*.command',
  'mcpServers.*.cwd',
  'mcpServers.*.envFile',
  'mcpServers.*.sessions',
  'mcpServers.*.restart',
  'mcpServers.*.sandbox',
  'mcpServers.*.oauth.grant',
  'mcpServers.*.oauth.scopes',
  'mcpServers.*.tls.cert',
  'mcpServers.*.tls.ca',
  'agents.kinds.*.command',
  'agents.kinds.*.cwd',
  'agents.kinds.*.envFile',
  'agents.kinds.*.sandbox',
  'agents.kinds.*.protocol',
  'agents.kinds.*.tools',
  'agents.kinds.*.capabilities',
  'agents.kinds.*.tags',
  'agents.kinds.*.strategy',
  'agents.kinds.*.cpu',
  'agents.kinds.*.memory',
  'models.providers.*.api',
  'models.providers.*.keyFrom',
  'models.providers.*.models',
  'models.providers.*.oauth.grant',
  'models.providers.*.oauth.scopes',
  'models.providers.*.tier',
  'models.providers.*.tls.cert',
  'models.providers.*.tls.ca',
  'models.routes',
  'models.sampling',
  'models.transcripts',
  'list',
  'views',
  'prices',
  'pins',
  'audit',
  'policy',
  'telemetry.serviceName',
  'telemetry.sampler',
  'log',
];
/** Keys of addresses, of which only scheme, host and port are shown. */
const ADDRESSES: readonly string[] = [
  'mcpServers.*.url',
  'models.providers.*.endpoint',
  'models.providers.*.oauth.tokenUrl',
  'telemetry.otlp.endpoint',
];
/** A text that names where a value is, and holds none. */
const REFERENCE = /^(?:\$\{(?:secret:)?[A-Za-z_][A-Za-z0-9_]*\}|(?:secret|env):[A-Za-z_]\w*)$/;
/** An option without a value. */
const OPTION = /^--?[A-Za-z][\w-]*$/;
/** A path or a query is taken apart at these. */
const DIVIDING = /[/?&=#;:@]+/;

/** What words of a text are divided by, and how long a word is that is taken out by itself. */
const WORDS = /[^\w.+-]+/;
const PART_CHARS_MIN = 12;

/** What may be shown of `tree`, the content of a configuration file. */
export function shownConfig(tree: unknown): ShownConfig {
  const hidden: string[] = [];
  const hide = (text: string): string => {
    hidden.push(text);
    return `(${text.length} characters, not shown)`;
  };
  const shownText = (path: readonly string[], text: string): string => {
    if (REFERENCE.test(text) || SHOWN.some((key) => isAt(key, path))) return text;
    if (path.includes('args') && OPTION.test(text)) return text;
    if (ADDRESSES.some((key) => isAt(key, path))) return origin(text, hide);
    // A program may write a part of what it was given, like the value of an option.
    hidden.push(...text.split(WORDS).filter((word) => word.length >= PART_CHARS_MIN));
    return hide(text);
  };
  const inside = (path: readonly string[], value: unknown): Json => {
    if (typeof value === 'string') return shownText(path, value);
    if (Array.isArray(value)) return value.map((one) => inside(path, one));
    if (isObject(value)) {
      return Object.fromEntries(
        Object.entries(value).map(([name, one]) => [name, inside([...path, name], one)]),
      );
    }
    return typeof value === 'number' || typeof value === 'boolean' ? value : null;
  };
  const shown = inside([], tree);
  return { shown, hidden };
}

function isAt(key: string, path: readonly string[]): boolean {
  const parts = key.split('.');
  return (
    parts.length <= path.length && parts.every((part, at) => part === '*' || part === path[at])
  );
}

function origin(text: string, hide: (text: string) => string): string {
  if (!URL.canParse(text)) return hide(text);
  const { host, protocol, pathname, search, hash, username, password } = new URL(text);
  const rest = [pathname, search, hash, username, password].filter((part) => part.length > 1);
  for (const part of rest.flatMap((one) => one.split(DIVIDING))) if (part !== '') hide(part);
  return `${protocol}//${host}${rest.length === 0 ? '' : '/…'}`;
}
