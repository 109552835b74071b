/** Says which keys of providers are older than their operator wants them to be. */
import { createScope, durationText, messageOf, unawaited } from '../core/index.ts';
import type { Clock, Health, Logger, Scope, Startable } from '../core/index.ts';
import type { Config } from '../config/index.ts';
import type { SecretStore } from '../secrets/index.ts';

const CODE = 'model-key-old';
/** How often ages are looked at, where any are bounded: a clock that is set anew hides nothing for longer. */
const LOOK_MS = 86_400_000;

/** What ages are told by. */
export interface KeyAgesComponents {
  readonly config: () => Pick<Config['models'], 'providers'>;
  /** When each secret was set. */
  readonly secrets: Pick<SecretStore, 'list'>;
  readonly health: Pick<Health, 'raise' | 'clear'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Watches how old the keys of providers are, while the node runs. */
export interface KeyAges extends Startable {
  /** Looks now: a key was set, or the configuration is another. Never rejects. */
  look(): Promise<void>;
}

/** Makes it; nothing is looked at before `start`. */
export function createKeyAges(components: KeyAgesComponents): KeyAges {
  return new ToldKeyAges(components);
}

class ToldKeyAges implements KeyAges {
  readonly #components: KeyAgesComponents;
  #life: Scope | undefined;
  #cancel: () => void = () => undefined;
  /** Providers of whose keys it was said. */
  #told: readonly string[] = [];

  constructor(components: KeyAgesComponents) {
    this.#components = components;
  }

  async start(): Promise<void> {
    this.#life = createScope(this.#components.clock);
    await this.look();
  }

  async stop(): Promise<void> {
    this.#life?.close();
  }

  async look(): Promise<void> {
    const { config, health, logger, secrets } = this.#components;
    const bounded = Object.entries(config().providers).flatMap(([name, provider]) =>
      provider.rotateAfterMs === undefined || provider.keySecret === undefined
        ? []
        : [{ name, secret: provider.keySecret, mostMs: provider.rotateAfterMs }],
    );
    try {
      const setAt = new Map<string, number>();
      if (bounded.length > 0) {
        for (const one of await secrets.list()) setAt.set(one.name, one.setAt);
      }
      const old = bounded.flatMap((one) => this.#ifOld(one, setAt.get(one.secret)));
      for (const name of this.#told) if (!old.includes(name)) health.clear(`${CODE}:${name}`);
      this.#told = old;
    } catch (error) {
      logger.warn(
        { error: messageOf(error) },
        'how old the keys of providers are is not known now',
      );
    }
    this.#cancel();
    if (bounded.length === 0) return;
    this.#cancel =
      this.#life?.after(LOOK_MS, () =>
        unawaited(this.look(), logger, 'ages of keys were not looked at'),
      ) ?? this.#cancel;
  }

  /** The name of the provider, where its key is too old; that is said then. */
  #ifOld(
    { mostMs, name, secret }: { name: string; secret: string; mostMs: number },
    setAt: number | undefined,
  ): readonly string[] {
    const { clock, health } = this.#components;
    // One that was set in a time to come was set before the clock was set back.
    const ageMs = setAt === undefined ? 0 : clock.now() - setAt;
    if (ageMs <= mostMs) return [];
    health.raise({
      code: `${CODE}:${name}`,
      text: `the key of provider ${name} was set ${durationText(ageMs)} ago, and should be another after ${durationText(mostMs)}`,
      hint: `make a new key at the vendor, and: starling secret set ${secret}`,
    });
    return [name];
  }
}
