/** The configuration that a running node goes by: what was taken up last, with its secrets bound, and what it can't take up. */
import type { EventEmitter } from 'node:events';
import { defaultConfigFile, heldBack, mapKindSecrets, mapProviderSecrets } from './config/index.ts';
import type { Config } from './config/index.ts';
import type { Secret } from './core/index.ts';
import { bindSecrets } from './gateway/index.ts';
import type { Parts } from './node-rooms.ts';
import type { ConfigChanges, NodeEvents } from './node-wiring.ts';
import type { Base, OpenState } from './open-state.ts';

/** Code of the warning of a config file that waits for the operator's word. */
const CONFIG_HELD = 'config-held';
/** Health warning while the config file can't be used. */
const CONFIG_UNUSABLE = 'config-unusable';
/** Keys of the configuration that a running node takes on. */
const RELOADED: readonly string[] = ['mcpServers', 'agents', 'list', 'models', 'views'];

/** The configuration of now. */
export interface NodeConfig {
  /** Servers, kinds of agents and providers of models, with the values of their secrets. */
  readonly servers: Config['mcpServers'];
  readonly agents: Config['agents'];
  readonly models: Config['models'];
  /**
   * Has the rooms take `config` up, and tells `events` what has changed; gives the keys that need a restart. `asked:
   * false`: nobody but the file says so.
   */
  reload(
    config: Config,
    init: { readonly asked: boolean },
    rooms: Pick<Parts, 'gateway' | 'governance'>,
    events: EventEmitter<NodeEvents>,
  ): Promise<readonly string[]>;
  /** True when a server could have written the config file, which must not be taken up then; raises a warning. */
  holdsBack(sandbox: Pick<Parts['sandbox'], 'isExposed'>): boolean;
  /** The changed configuration can't be taken up, because of `problem`. */
  refuse(problem: string): void;
}

/** Begins with the configuration that the node was made of. */
export function createNodeConfig(base: Base, state: Pick<OpenState, 'secrets'>): NodeConfig {
  return new TakenConfig(base, state);
}

class TakenConfig implements NodeConfig {
  readonly #base: Base;
  readonly #secrets: OpenState['secrets'];
  servers: Config['mcpServers'];
  agents: Config['agents'];
  models: Config['models'];
  /** The configuration that was taken up last. */
  #taken: Config;
  readonly #bind = (secret: Secret): Secret => secret.bind((name) => this.#secrets.lookup(name));

  constructor(base: Base, { secrets }: Pick<OpenState, 'secrets'>) {
    this.#base = base;
    this.#secrets = secrets;
    this.servers = this.#boundServers(base.config);
    this.agents = this.#boundAgents(base.config);
    this.models = this.#boundModels(base.config);
    this.#taken = base.config;
  }

  async reload(
    config: Config,
    { asked }: { readonly asked: boolean },
    { gateway, governance }: Pick<Parts, 'gateway' | 'governance'>,
    events: EventEmitter<NodeEvents>,
  ): Promise<readonly string[]> {
    this.#base.health.clear(CONFIG_UNUSABLE);
    this.#base.health.clear(CONFIG_HELD);
    this.servers = this.#boundServers(config);
    this.agents = this.#boundAgents(config);
    if (differ(config, this.#taken, 'models')) this.models = this.#boundModels(config);
    const servers = await gateway.configure({ ...config, mcpServers: this.servers });
    const keys = (['agents', 'list', 'models', 'views'] as const).filter((key) =>
      differ(config, this.#taken, key),
    );
    this.#taken = config;
    const changes: ConfigChanges = { ...servers, keys };
    events.emit('reloaded', changes);
    await (asked ? governance.policy.reload() : governance.policy.changed());
    return (Object.keys(config) as (keyof Config)[]).filter(
      (key) =>
        !RELOADED.includes(key) &&
        (key !== 'name' || config.isNameGiven) &&
        key !== 'isNameGiven' &&
        differ(config, this.#base.config, key),
    );
  }

  holdsBack(sandbox: Pick<Parts['sandbox'], 'isExposed'>): boolean {
    // Where there was none, what comes to the default place is taken up.
    const { file = defaultConfigFile(process.env) } = this.#base.config;
    if (!sandbox.isExposed(file)) return false;
    this.#base.health.raise(heldBack(CONFIG_HELD, file));
    return true;
  }

  refuse(problem: string): void {
    const hint = 'correct the file: the node takes it up by itself; see: starling doctor';
    const text = `the config file can't be used, and the node goes on with what it had: ${problem}`;
    this.#base.health.raise({ code: CONFIG_UNUSABLE, text, hint });
  }

  #boundServers({ mcpServers }: Config): Config['mcpServers'] {
    return bindSecrets(mcpServers, (name) => this.#secrets.lookup(name));
  }

  #boundAgents({ agents }: Config): Config['agents'] {
    return { ...agents, kinds: mapKindSecrets(agents.kinds, this.#bind) };
  }

  #boundModels({ models }: Config): Config['models'] {
    return { ...models, providers: mapProviderSecrets(models.providers, this.#bind) };
  }
}

function differ(one: Config, other: Config, key: keyof Config): boolean {
  return JSON.stringify(one[key]) !== JSON.stringify(other[key]);
}
