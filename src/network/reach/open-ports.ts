/**
 * Has the routers of this machine's networks open the ports on which the node listens, by choice of the operator, keeps
 * them open, and has them closed at the end. That a port is open nobody takes a router's word for: `dial-back.ts` finds
 * out where others see this node, and tells of it only what was reached.
 */
import type { Multiaddr } from '@multiformats/multiaddr';
import { messageOf, withDeadline } from '../../core/index.ts';
import type { Clock, Logger, Scope } from '../../core/index.ts';
import { ROUTER_CLOSE_MS, ROUTER_LEASE_MS, ROUTER_LOOK_MS, ROUTER_TOTAL_MS } from '../constants.ts';
import { findRouters } from './find-router.ts';
import type { OpenPortsView } from '../types.ts';
import { closePort, openPort, readRouter } from './router.ts';
import type { Router } from './router.ts';

/** What it works with. */
export interface OpenPortsComponents {
  /** Where this node listens on the interfaces of its machine. */
  readonly listeners: () => readonly Multiaddr[];
  /** The IPv4 addresses of this machine on networks of other machines. */
  readonly lanIps: () => readonly string[];
  /** Where routers are asked for; only tests have another place. */
  readonly group?: { readonly address: string; readonly port: number };
  readonly clock: Clock;
  readonly logger: Logger;
  /** Owns the timer. */
  readonly scope: Scope;
}

/** Ports that routers open. */
export interface OpenPorts {
  /** Asks for them now, and again and again. */
  start(): void;
  /** What came of it, one of each network on which the node listens; empty until the first is known. */
  view(): readonly OpenPortsView[];
  /** Resolves once the round that is under way is over. Never rejects. */
  settled(): Promise<void>;
  /** Has them closed, in {@link ROUTER_CLOSE_MS} at the most. Never rejects. */
  stop(): Promise<void>;
}

/** Makes it; nobody is asked yet. */
export function createOpenPorts(components: OpenPortsComponents): OpenPorts {
  return new Opener(components);
}

interface Opened {
  readonly router: Router;
  readonly port: number;
}

class Opener implements OpenPorts {
  readonly #components: OpenPortsComponents;
  /** By router and port. */
  readonly #opened = new Map<string, Opened>();
  #round: Promise<void> = Promise.resolve();
  /** What came of it at each address of this machine, and how that was said last, so that it is not said again. */
  readonly #found = new Map<string, OpenPortsView>();
  readonly #said = new Map<string, string>();

  constructor(components: OpenPortsComponents) {
    this.#components = components;
  }

  start(): void {
    const look = (): void => {
      this.#round = this.#round.then(() => this.#look());
    };
    look();
    this.#components.scope.every(ROUTER_LOOK_MS, look);
  }

  view(): readonly OpenPortsView[] {
    return [...this.#found.values()];
  }

  settled(): Promise<void> {
    return this.#round;
  }

  async stop(): Promise<void> {
    const { clock, logger } = this.#components;
    await this.#round;
    const all = [...this.#opened.values()];
    this.#opened.clear();
    try {
      await withDeadline(clock, ROUTER_CLOSE_MS, (signal) =>
        Promise.all(all.map(({ router, port }) => closePort(router, port, signal))),
      );
    } catch (error) {
      logger.info(
        { error: messageOf(error) },
        'ports of a router stay open until their time is over',
      );
    }
  }

  /** One network after the other: most machines are on one. */
  async #look(): Promise<void> {
    const { clock, lanIps, scope } = this.#components;
    const ips = lanIps();
    // A machine moves from network to network.
    for (const ip of this.#found.keys()) {
      if (ips.includes(ip)) continue;
      this.#found.delete(ip);
      this.#said.delete(ip);
    }
    for (const ip of ips) {
      if (scope.closed) return;
      const ports = this.#portsAt(ip);
      if (ports.length === 0) continue;
      try {
        await withDeadline(
          clock,
          ROUTER_TOTAL_MS,
          (signal) => this.#open(ip, ports, signal),
          scope.signal,
        );
      } catch (error) {
        if (scope.closed) return;
        this.#say({ address: ip, opened: [], why: messageOf(error) });
      }
    }
  }

  async #open(ip: string, ports: readonly number[], signal: AbortSignal): Promise<void> {
    const { clock, group } = this.#components;
    const places = await findRouters(clock, ip, signal, group);
    let last: unknown = new Error('no router of this network opens ports');
    for (const place of places) {
      const opened: number[] = [];
      try {
        const router = await readRouter(place, signal);
        for (const port of ports) {
          await openPort(router, { port, client: ip, leaseS: ROUTER_LEASE_MS / 1000 }, signal);
          this.#opened.set(`${router.control.href} ${port}`, { router, port });
          opened.push(port);
        }
        this.#say({ address: ip, router: place.hostname, opened });
        return;
      } catch (error) {
        if (opened.length > 0) {
          this.#say({ address: ip, router: place.hostname, opened, why: messageOf(error) });
          return;
        }
        signal.throwIfAborted();
        last = error;
      }
    }
    throw last;
  }

  /** The TCP ports on which the node listens at this address. */
  #portsAt(ip: string): readonly number[] {
    const ports = this.#components.listeners().flatMap((address) => {
      const [host, port] = address.getComponents();
      return host?.value === ip && port?.name === 'tcp' ? [Number(port.value)] : [];
    });
    return [...new Set(ports)];
  }

  #say(found: OpenPortsView): void {
    const { address, router = '', opened, why } = found;
    this.#found.set(address, found);
    const done =
      opened.length === 0 ? [] : [`the router at ${router} has opened ${opened.join(', ')}`];
    const what = [...done, ...(why === undefined ? [] : [why])].join('; ');
    if (this.#said.get(address) === what) return;
    this.#said.set(address, what);
    this.#components.logger.info({ address }, `UPnP: ${what}`);
  }
}
