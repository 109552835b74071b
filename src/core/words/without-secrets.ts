/** Takes secrets out of what is shown to others: those that are known, and what has the form of one. */
import type { Json } from '../json/json.ts';

const MARK = '***';
/** Shorter values are words that stand everywhere, like `true`. */
const SECRET_CHARS_MIN = 4;

/** What has the form of a credential, whoever issued it. */
const FORMS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, MARK],
  // Our own: tickets, keys of callers, seeds of identities.
  [/\bstarling2[a-z2-7]{16,}/g, MARK],
  [/\bstarling_([0-9a-f]{12})_[\w-]{20,}/g, `starling_$1_${MARK}`],
  // RFC 7519; RFC 6750 §2.1; RFC 7617 §2.
  [/\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, MARK],
  [/\b(Bearer|Basic) +[\w.~+/=-]{8,}/gi, `$1 ${MARK}`],
  // RFC 3986 §3.2.1: a password in a URL.
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, `$1${MARK}@`],
  [
    /([?&;](?:[\w.-]*(?:key|token|secret|password|passwd|signature|sig|auth|code)[\w.-]*)=)[^&\s"'#]+/gi,
    `$1${MARK}`,
  ],
  [
    /\b((?:[\w-]*(?:password|passphrase|passwd|secret|api[_-]?key|access[_-]?token))["']?\s*[:=]\s*["']?)(?!\*\*\*)[^\s"',;}]{4,}/gi,
    `$1${MARK}`,
  ],
  // Those of vendors: OpenAI and Anthropic, GitHub, Slack, AWS, Google, npm, GitLab, Hugging Face.
  [
    /\b(?:sk-|ghp_|gho_|ghs_|ghu_|github_pat_|xox[abprs]-|glpat-|npm_|hf_|AKIA|AIza)[\w-]{12,}/g,
    MARK,
  ],
];

/** Gives a function that takes `secrets`, as they are and as URLs, base64 and JSON have them, out of any value. */
export function createSecretRemover(secrets: Iterable<string>): <T extends Json>(value: T) => T {
  const known = new Set<string>();
  for (const secret of secrets) {
    if (secret.length < SECRET_CHARS_MIN) continue;
    const bytes = Buffer.from(secret, 'utf8');
    for (const form of [
      secret,
      encodeURIComponent(secret),
      bytes.toString('base64'),
      bytes.toString('base64url'),
      bytes.toString('hex'),
      JSON.stringify(secret).slice(1, -1),
    ]) {
      known.add(form);
    }
  }
  // The longest first: one secret may stand in another.
  const inOrder = [...known].sort((a, b) => b.length - a.length);
  const cleaned = (text: string): string => {
    let clean = text;
    for (const secret of inOrder) clean = clean.replaceAll(secret, MARK);
    for (const [form, mark] of FORMS) clean = clean.replace(form, mark);
    return clean;
  };
  const inside = (value: Json): Json => {
    if (typeof value === 'string') return cleaned(value);
    if (Array.isArray(value)) return value.map(inside);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, one]) => [cleaned(name), inside(one as Json)]),
    );
  };
  return <T extends Json>(value: T) => inside(value) as T;
}
