/**
 * The policy in force. Reads its file at the start, whenever the file changes, and when told to; a
 * file that can't be used changes nothing, raises a warning, and is read again when it changes.
 */
import { EventEmitter } from 'node:events';
import { unwatchFile, watchFile } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { heldBack } from '../../config/index.ts';
import { StarlingError, createScope, messageOf, unawaited } from '../../core/index.ts';
import type { Clock, Health, Logger, Scope, Startable } from '../../core/index.ts';
import { defaultPolicy, parsePolicy, policyChanges } from './policy.ts';
import type { Policy, PolicyChange } from './policy.ts';

/** Events of the policy in force. */
export interface CurrentPolicyEvents {
  /** Another policy is in force. */
  change: [policy: Policy, changes: readonly PolicyChange[]];
}

/** What a look at the file found. */
export type PolicyCheck =
  | {
      readonly ok: true;
      /** False when there is no file, so that the shipped policy is in force. */
      readonly exists: boolean;
      /** What differs from the policy in force. */
      readonly changes: readonly PolicyChange[];
      /** What a person should change in it although it holds; absent when there is nothing. */
      readonly warnings?: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly string[] };

/** The policy in force. */
export interface CurrentPolicy extends Startable {
  readonly events: EventEmitter<CurrentPolicyEvents>;
  readonly file: string;
  /** The same object until another policy is in force: ask once for each decision. */
  current(): Policy;
  /**
   * Takes up the file as it is now, because the operator says so. Never throws: what is wrong is the answer,
   * and a warning.
   */
  reload(): Promise<PolicyCheck>;
  /** Takes up a file that has changed, unless a server could have written it: then a warning says so. */
  changed(): Promise<void>;
  /** Looks at the file, or at `text` in its place, and changes nothing. */
  check(text?: string): Promise<PolicyCheck>;
}

/** What the policy in force works with. */
export interface CurrentPolicyComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health: Health;
  /** True when somebody else than the operator could have written the file; default: never. */
  readonly isExposed?: (file: string) => boolean;
  /** Whether a peer goes by this alias now; default: that is not known. */
  readonly isCalled?: (alias: string) => boolean;
}

/** Where the policy comes from. */
export interface CurrentPolicyInit {
  readonly file: string;
  /** True: a file that is not there is a fault. Default false: the shipped policy is in force. */
  readonly mustExist?: boolean;
  /** How often the file is looked at, ms; default 1000. */
  readonly lookMs?: number;
}

/** Code of the warning of a policy file that can't be used. */
const WARNING = 'policy-unusable';
/** Code of the warning of a policy file that waits for the operator's word. */
const HELD = 'policy-held';
/** Code of the warning of a policy file that holds, and has words in it that are to be changed. */
const OLD_WORDS = 'policy-outdated';
/** Code of the warning of names in a policy file that was just taken up, which are nobody's. */
const NOBODY = 'policy-nobody';
/** After that the warning ends by itself: whoever is meant may still be on the way. */
const NOBODY_MS = 3_600_000;
const FILE_BYTES_MAX = 1024 * 1024;
/** How long a file is left alone after it was seen to change: somebody may be writing it still. */
const SETTLE_MS = 200;

/** A policy, and the text that it was read from; undefined when there is no file. */
interface ReadPolicy {
  readonly policy: Policy;
  readonly text: string | undefined;
}

/** Makes the policy of a node. Until it has started, the shipped policy is in force. */
export function createCurrentPolicy(
  components: CurrentPolicyComponents,
  init: CurrentPolicyInit,
): CurrentPolicy {
  return new PolicyInForce(components, init);
}

class PolicyInForce implements CurrentPolicy {
  readonly events = new EventEmitter<CurrentPolicyEvents>();
  readonly file: string;
  readonly #components: CurrentPolicyComponents;
  readonly #init: CurrentPolicyInit;
  #policy = defaultPolicy();
  /** What was read last; undefined before the first time. */
  #text: string | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #cancelNobody = (): void => undefined;
  #scope: Scope | undefined;

  constructor(components: CurrentPolicyComponents, init: CurrentPolicyInit) {
    this.#components = components;
    this.#init = init;
    this.file = init.file;
  }

  /** @throws STARLING_CONFIG_INVALID: with no good policy to go on with, nothing may start. */
  async start(): Promise<void> {
    if (this.#scope !== undefined) return;
    const { clock } = this.#components;
    const scope = createScope(clock);
    this.#scope = scope;
    const read = await this.#read();
    this.#take(read.policy, read.text);
    let cancel: () => void = () => undefined;
    const looked = (): void => {
      cancel();
      cancel = scope.after(SETTLE_MS, () =>
        unawaited(this.changed(), this.#components.logger, 'the policy file was not taken up'),
      );
    };
    // By name, so that editors may replace the file, and it may come later.
    const interval = this.#init.lookMs ?? 1000;
    const watcher = watchFile(this.file, { interval, persistent: false }, looked);
    // Node has one watcher a file: all nodes of a process that share a policy listen to it.
    watcher.setMaxListeners(0);
    scope.add(() => unwatchFile(this.file, looked));
  }

  async stop(): Promise<void> {
    this.#scope?.close();
    this.#scope = undefined;
    await this.#last;
  }

  current(): Policy {
    return this.#policy;
  }

  reload(): Promise<PolicyCheck> {
    // One after the other: each takes up the file as it is then.
    const next = this.#last.then(() => this.#reload());
    this.#last = next;
    return next;
  }

  async changed(): Promise<void> {
    const { health, isExposed, logger } = this.#components;
    if (isExposed?.(this.file) !== true) {
      await this.reload();
      return;
    }
    await this.#last;
    const text = await readPolicyFile(this.file, false).catch(() => undefined);
    if (text === this.#text) return;
    logger.warn({ file: this.file }, 'policy file held back');
    health.raise(heldBack(HELD, this.file));
  }

  async check(text?: string): Promise<PolicyCheck> {
    try {
      const read =
        text === undefined
          ? await this.#read()
          : { policy: parsePolicy(text, 'the given text'), text };
      const changes = policyChanges(this.#policy, read.policy);
      return foundOf(read, changes, this.#nobodies(read.policy));
    } catch (error) {
      return { ok: false, problems: problemsOf(error) };
    }
  }

  async #reload(): Promise<PolicyCheck> {
    const { logger, health } = this.#components;
    try {
      const { policy, text } = await this.#read();
      const changes = policyChanges(this.#policy, policy);
      health.clear(WARNING);
      health.clear(HELD);
      const nobodies = this.#nobodies(policy);
      this.#warnOfNobodies(nobodies);
      if (text === this.#text) return foundOf({ policy, text }, [], nobodies);
      this.#take(policy, text);
      logger.info({ changes: changes.length }, 'policy file taken up');
      if (changes.length > 0) this.events.emit('change', policy, changes);
      return foundOf({ policy, text }, changes, nobodies);
    } catch (error) {
      const problems = problemsOf(error);
      logger.warn({ problems: problems.length }, 'policy file not taken up');
      health.raise({
        code: WARNING,
        text: `the policy file ${this.file} can't be used (${problems.join('; ')}); the last good one holds`,
        hint: problems.some((problem) => problem.includes('no such file'))
          ? 'an empty file brings back the policy that Starling comes with; see: starling policy check'
          : 'correct it, and see: starling policy check',
      });
      return { ok: false, problems };
    }
  }

  #take(policy: Policy, text: string | undefined): void {
    this.#policy = policy;
    this.#text = text;
    this.#warnOfOldWords(policy);
  }

  #warnOfOldWords({ warnings }: Policy): void {
    const { health, logger } = this.#components;
    if (warnings.length === 0) return health.clear(OLD_WORDS);
    for (const warning of warnings) logger.warn({ file: this.file }, warning);
    health.raise({
      code: OLD_WORDS,
      text: `the policy file ${this.file} is in force, with old words in it (${warnings.join('; ')})`,
      hint: 'correct it, and see: starling policy check',
    });
  }

  /** What is said of nobody; not at the start, when those who are meant may not have been heard of yet. */
  #nobodies(policy: Policy): readonly string[] {
    const { isCalled } = this.#components;
    return isCalled === undefined ? [] : nobodies(policy, isCalled);
  }

  #warnOfNobodies(texts: readonly string[]): void {
    const { health, logger } = this.#components;
    this.#cancelNobody();
    if (texts.length === 0) return health.clear(NOBODY);
    logger.warn({ file: this.file, names: texts.length }, 'the policy file speaks of nobody');
    health.raise({
      code: NOBODY,
      text: `the policy file ${this.file} is in force, and speaks of nobody (${texts.join('; ')})`,
      hint: 'correct the name, unless whoever is meant is still to come: starling policy check',
    });
    const cancel = this.#scope?.after(NOBODY_MS, () => health.clear(NOBODY));
    if (cancel !== undefined) this.#cancelNobody = cancel;
  }

  /** @throws STARLING_CONFIG_INVALID */
  async #read(): Promise<ReadPolicy> {
    // A file that was there and is gone must not loosen anything while we run.
    const mustExist = this.#init.mustExist === true || this.#text !== undefined;
    const text = await readPolicyFile(this.file, mustExist);
    return { policy: parsePolicy(text ?? '', this.file), text };
  }
}

/**
 * The text of a policy file; undefined when there is none and none must be.
 * @throws STARLING_CONFIG_INVALID
 */
export async function readPolicyFile(
  file: string,
  mustExist: boolean,
): Promise<string | undefined> {
  try {
    const { size } = await stat(file);
    if (size > FILE_BYTES_MAX) throw new Error('it is over 1 MiB');
    return await readFile(file, 'utf8');
  } catch (error) {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (isAbsent && !mustExist) return undefined;
    throw new StarlingError(
      'STARLING_CONFIG_INVALID',
      `the policy file ${file} can't be read: ${messageOf(error)}`,
      { hint: 'put it there, or correct `policy` in the config file', cause: error },
    );
  }
}

/** Peers of whom the policy speaks by an alias that no peer has now. */
function nobodies({ file }: Policy, isCalled: (alias: string) => boolean): readonly string[] {
  return Object.keys(file.callers).flatMap((caller) => {
    const alias = /^peer:(.+)$/u.exec(caller)?.[1];
    if (alias === undefined || isCalled(alias)) return [];
    return [`callers.${caller} means nobody now: no peer is called ${alias} (starling peers)`];
  });
}

function foundOf(
  { policy, text }: ReadPolicy,
  changes: readonly PolicyChange[],
  more: readonly string[] = [],
): Extract<PolicyCheck, { ok: true }> {
  const warnings = [...policy.warnings, ...more];
  const exists = text !== undefined;
  return { ok: true, exists, changes, ...(warnings.length === 0 ? {} : { warnings }) };
}

/** What is wrong, one line each. */
function problemsOf(error: unknown): readonly string[] {
  const problems = error instanceof StarlingError ? error.data['problems'] : undefined;
  return Array.isArray(problems) ? problems.map(String) : [messageOf(error)];
}
