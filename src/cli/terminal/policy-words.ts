/** What another policy file changes, in words of a person: `peer anna may only read`. Pure. */
import type { PolicyChange } from '../../guard/index.ts';

/** What a key says of its subject with a value; `undefined` and what says as much: with none. */
type Phrase = (value: string | undefined) => string;

const told =
  (some: (value: string) => string, none: string): Phrase =>
  (value) =>
    value === undefined ? none : some(value);
const holds =
  (isSo: string, notSo: string): Phrase =>
  (value) =>
    value === 'true' ? isSo : notSo;

/** What may stand at a zone, a role or a caller. */
const LIMITS: Readonly<Record<string, Phrase>> = {
  read_only: holds('may only read', 'may do more than read'),
  allowed_namespaces: told(
    (names) => `may use only ${names}`,
    'may use any server, board and so on again',
  ),
  approval_required: told(
    (what) =>
      what === 'true' ? 'needs an approval for everything' : `needs an approval for ${what}`,
    'needs no approval any more',
  ),
  sources: told(
    (what) => `counts as its own what ${what} gives`,
    'counts as its own no answers of certain tools any more',
  ),
  max_replicas: told(
    (count) => `may have ${count} copies of an agent at a time`,
    'may have any number of copies of an agent',
  ),
  budget_limit: told(
    (most) => `may spend ${most} of one budget`,
    'has no bound of a budget any more',
  ),
  alert_threshold: told(
    (share) => `raises an alert from ${share} on`,
    'has no threshold of alerts any more',
  ),
  escalation_delay: told(
    (delay) => `has approvals escalated after ${delay}`,
    'has no approvals escalated any more',
  ),
  trust: told((trust) => `is trusted by ${trust}`, 'is trusted as the zone is'),
  may_approve: holds('may answer approvals', 'may not answer approvals any more'),
  zone: told((zone) => `is of the zone ${zone}`, 'is of the zone again that it comes from'),
  roles: told((roles) => `has the roles ${roles}`, 'has no role any more'),
};

/** Of the guardian, which answers requests for rights. */
const GUARDIAN: Readonly<Record<string, Phrase>> = {
  'weights.justification': (weight) => `weighs why somebody asks by ${weight}`,
  'weights.trust': (weight) => `weighs trust by ${weight}`,
  'weights.risk': (weight) => `weighs risk by ${weight}`,
  grant_at: (score) => `grants from a score of ${score} on`,
  ask_at: (score) => `asks a person from a score of ${score} on`,
  justification_min: (least) => `refuses a justification below ${least}`,
  trust_min: (least) => `asks a person below a trust of ${least}`,
  risk_max: (most) => `refuses a risk above ${most}`,
  broad_scope: (more) => `adds ${more} to the risk of what is asked for with wildcards`,
  write_scope: (more) => `adds ${more} to the risk of what changes things`,
  lifetime: (time) => `gives grants for ${time}`,
  requests_per_minute: (count) => `hears ${count} requests of one caller a minute`,
};

/** Of a type of resources, as requests for rights name it. */
const TYPES: Readonly<Record<string, Phrase>> = {
  risk: told((risk) => `has a risk of ${risk}`, 'is known no more'),
  resources: told(
    (patterns) => `may be granted by the guardian itself for ${patterns}`,
    'is granted by a person only',
  ),
  'restrictions.read_only': holds(
    'is granted for reading only',
    'is granted for more than reading',
  ),
  'restrictions.uses': told(
    (count) => `is granted for ${count} calls`,
    'is granted for any number of calls',
  ),
  'restrictions.rate.per_s': told(
    (count) => `is granted for ${count} calls a second`,
    'is granted at any rate',
  ),
  'restrictions.rate.burst': told(
    (count) => `is granted for ${count} calls at once`,
    'is granted at any burst',
  ),
  'restrictions.approval': holds(
    'needs an approval for each call',
    'needs no approval for each call',
  ),
  restrictions: () => 'is granted without restrictions',
  lifetime: told((time) => `is granted for ${time}`, 'is granted for as long as others are'),
};

const APPROVALS: Readonly<Record<string, Phrase>> = {
  timeout: (time) => `a call waits ${time} for an approval`,
  permission_timeout: (time) => `a request for a right waits ${time} for an answer`,
};

/** The change in one sentence without its end; a key without words is named as the file has it. */
export function policyWords({ key, from, to }: PolicyChange): string {
  const found = sentenceOf(key);
  if (found === undefined) return to === undefined ? `${key} is gone` : `${key} is ${plain(to)}`;
  const was = meant(from);
  const isTold = was !== undefined && was !== 'true';
  return `${found(meant(to))}${isTold ? ` (was ${was})` : ''}`;
}

function sentenceOf(key: string): Phrase | undefined {
  const [part = '', ...rest] = key.split('.');
  const below = rest.join('.');
  if (part === 'guardian') return of('the guardian', GUARDIAN[below]);
  if (part === 'approvals') return APPROVALS[below];
  // Names of callers may have dots, keys of limits have none.
  const field = rest.at(-1) ?? '';
  const name = rest.slice(0, -1).join('.');
  if (part === 'zones') return of(`the zone ${name}`, LIMITS[field]);
  if (part === 'roles') return of(`the role ${name}`, LIMITS[field]);
  if (part === 'callers') return of(callerText(name), LIMITS[field]);
  // Names of types have no dots.
  if (part === 'resource_types') return of(rest[0] ?? '', TYPES[rest.slice(1).join('.')]);
  return undefined;
}

function of(subject: string, phrase: Phrase | undefined): Phrase | undefined {
  return phrase === undefined ? undefined : (value) => `${subject} ${phrase(value)}`;
}

/** `peer:anna` as `peer anna`. */
function callerText(name: string): string {
  return name === 'operator' ? 'the operator' : name.replace(/^(peer|client):/, '$1 ');
}

/** The value as it is read; undefined where it says as much as no value. */
function meant(value: string | undefined): string | undefined {
  if (value === undefined || ['false', '[]', '{}'].includes(value)) return undefined;
  return plain(value);
}

/** `["a","b"]` as `a, b`, `"5m"` as `5m`. */
function plain(value: string): string {
  const read: unknown = JSON.parse(value);
  return Array.isArray(read) ? read.join(', ') : String(read);
}
