/** The forms of texts and numbers that keys of the configuration share. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { BUILTIN_SERVER, readLimit } from '../../core/index.ts';

/** What a node, a mesh and an alias may be called. */
const NAME_PATTERN = /^[a-z0-9][a-z0-9-]{0,31}$/;
/** A multiaddr in text; what it may be made of is checked in `addresses.ts`. */
const MULTIADDR = /^\/(ip4|ip6|dns|dns4|dns6|dnsaddr)\/[^\s]{1,500}$/;
/** Like `info,gateway=debug`: what `createLogger` of core reads. */
export const LOG_LEVEL =
  /^([\w:-]+=)?(trace|debug|info|warn|error|silent)(,([\w:-]+=)?(trace|debug|info|warn|error|silent))*$/;
/** A number of at most six digits and a unit, without blanks. */
export const DURATION = /^[1-9]\d{0,5}[smhd]$/;
/** What a browser sends as Origin: no path, and no slash at the end. */
export const ORIGIN = /^([a-z][a-z0-9+.-]*:\/\/[^/\s]+|null)$/;
/** Keys and metadata must not come by plain HTTP, except on this machine. */
const AUTHORITY =
  /^(https:\/\/[^\s/?#@]+|http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)(\/[^\s?#]*)?$/;
/** Where tokens must be issued for. */
export const AUDIENCE = /^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/;
/** A resource pattern at first sight; the guard, which knows resources, checks the rest. */
export const SCOPE = /^(\*|[a-z]+:[^\s]{1,500})$/;
const IP_BLOCK_FORM = 'an IP address like 192.0.2.7, or a block like 192.0.2.0/24 or 2001:db8::/32';

/** RFC 6749 §3.3: one scope-token. */
export const OAUTH_SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]{1,256}$/;

/** `*`, or parts between slashes; `**` only as the last one. */
const TOOL_PATTERN =
  /^(\*\*?|(?:(?!\*\*)[^/\s])+(\/(?:(?!\*\*)[^/\s])+)*\/(\*\*|(?:(?!\*\*)[^/\s])+))$/;

/** Text of a form; `form` in words is the error message, whatever is wrong (see `problems.ts`). */
export const text = (pattern: RegExp, form: string): z.ZodString =>
  z.string({ error: form }).regex(pattern, form);

/** What a node, a mesh and an alias may be called, apart from the name of the built-in server. */
export const name = text(NAME_PATTERN, '1 to 32 of a-z, 0-9 and -, not starting with -').refine(
  (value) => value !== BUILTIN_SERVER,
  `'${BUILTIN_SERVER}' is the name of the built-in server; choose another`,
);
/** An address of libp2p. */
export const multiaddr = text(MULTIADDR, 'a multiaddr like /ip4/192.0.2.7/tcp/4040');
/** One or more. */
export const count = z.int().min(1);
/** The path of a file. */
export const file = z.string({ error: 'the path of a PEM file' }).min(1, 'the path of a PEM file');
/** Who issues tokens. */
export const authority = text(
  AUTHORITY,
  'a URL that begins with https:// (http:// on loopback only)',
);
/** One address, or a block of them. */
export const ipBlock = z
  .string({ error: IP_BLOCK_FORM })
  .refine((value) => isIpBlock(value), `not an address; allowed: ${IP_BLOCK_FORM}`);
const PRICE_FORM = "an amount like '0.002usd' or '500 tokens'";
/** Tools of a server or a peer. */
export const toolPattern = text(
  TOOL_PATTERN,
  'tools as <server>/<tool> or <peer>/<server>/<tool>, with * in a part',
);
/** At most 256 patterns, each of a server's or a peer's tools. */
export const toolPatterns = z.array(toolPattern).max(256);
/** What something costs, of budgets in that unit. */
export const price = z
  .string({ error: PRICE_FORM })
  .refine(
    (value) => readLimit(value)?.everyMs === undefined && readLimit(value) !== undefined,
    PRICE_FORM,
  );
/** `list.tools` of the file and of one view. */
export const listTools = z
  .enum(['all', 'search'], { error: 'all or search' })
  .describe(
    'What a client is listed. `search`: three tools that find, describe and call all others.',
  );
/** `list.prefix` of the file and of one view. */
export const listPrefix = z
  .enum(['always', 'auto', 'never'], { error: 'always, auto or never' })
  .describe(
    'When a tool is called <server>__<tool>. `auto`: our own only where two servers have that tool.',
  );
/** True or false. */
export const flag = z.boolean();

function isIpBlock(value: string): boolean {
  const [address = '', bits, ...rest] = value.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || rest.length > 0) return false;
  if (bits === undefined) return true;
  return /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128);
}
