/**
 * The file by which a service manager of the system runs a node: a systemd user unit (systemd.service(5),
 * systemd.exec(5)), or a launchd agent (launchd.plist(5)). Pure. No secret is ever in it: its path is known to
 * every program of the user, and the manager shows its content to all.
 */
import { join } from 'node:path';
import { StarlingError } from '../../core/errors.ts';
import type { Launch } from '../client-files/launcher.ts';

/** Which service manager. */
export type ServiceKind = 'systemd' | 'launchd';

/** What a service runs. */
export interface ServiceInit {
  /** Of the node, for people. */
  readonly name: string;
  readonly launch: Launch;
  /** Variables that the node needs and that are no secrets. */
  readonly env: Readonly<Record<string, string>>;
  /** File with further variables, secrets among them; may be absent. */
  readonly environmentFile: string;
  readonly home: string;
}

/** A file that is to be written. */
export interface ServiceFile {
  /** Unit or label, as the manager's own commands take it. */
  readonly id: string;
  readonly path: string;
  readonly text: string;
}

/** Seconds that a node has to stop. */
const STOP_S = 15;
/** Seconds before a node that failed is started again. */
const AGAIN_S = 10;
/** A node that fails so often in five minutes is left alone. */
const FAILURES_MAX = 10;

/** The name of the service of a node: `starling`, or `starling-lab` for one with a state folder of its own. */
export function serviceName(node: string | undefined): string {
  const slug = (node ?? '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  return slug === '' ? 'starling' : `starling-${slug}`;
}

/** Where the manager looks for the file, and its text. @throws STARLING_USAGE when a path can't be written into one */
export function serviceFile(
  kind: ServiceKind,
  service: string,
  init: ServiceInit,
  env: NodeJS.ProcessEnv,
): ServiceFile {
  const words = [init.launch.command, ...init.launch.args, ...Object.values(init.env), init.home];
  for (const word of [...words, init.environmentFile]) refuseLines(word);
  if (kind === 'systemd') {
    const id = `${service}.service`;
    return {
      id,
      path: join(configHome(env, init.home), 'systemd', 'user', id),
      text: unitOf(init),
    };
  }
  const id = `dev.${service.replace('-', '.')}`;
  const path = join(init.home, 'Library', 'LaunchAgents', `${id}.plist`);
  return { id, path, text: agentOf(id, init) };
}

function configHome(env: NodeJS.ProcessEnv, home: string): string {
  const folder = env['XDG_CONFIG_HOME'];
  return folder?.startsWith('/') === true ? folder : join(home, '.config');
}

function unitOf({ name, launch, env, environmentFile, home }: ServiceInit): string {
  const command = [launch.command, ...launch.args].map((word) => quoted(word, true)).join(' ');
  const variables = Object.entries(env).map(
    ([key, value]) => `Environment=${quoted(`${key}=${value}`)}`,
  );
  return `${[
    '# Written by starling service install, and removed by starling service uninstall.',
    '[Unit]',
    `Description=Starling node ${escaped(name)}`,
    'StartLimitIntervalSec=300',
    `StartLimitBurst=${FAILURES_MAX}`,
    '',
    '[Service]',
    'Type=exec',
    `ExecStart=${command}`,
    `WorkingDirectory=${escaped(home)}`,
    ...variables,
    '# Variables that the config file names go here, one NAME=value a line; the file is yours alone.',
    `EnvironmentFile=-${escaped(environmentFile)}`,
    '# What a node prints at its start may hold a ticket, which is a secret; warnings go to the journal.',
    'StandardOutput=null',
    'UMask=0077',
    'Restart=on-failure',
    `RestartSec=${AGAIN_S}`,
    '# Wrong use of the command stays wrong however often it is started.',
    'RestartPreventExitStatus=2',
    'SuccessExitStatus=130 143',
    'KillMode=mixed',
    `TimeoutStopSec=${STOP_S}`,
    '',
    '[Install]',
    'WantedBy=default.target',
  ].join('\n')}\n`;
}

/** A word as systemd reads it back, specifiers and (in a command) variables included. */
function quoted(word: string, isCommand = false): string {
  const plain = escaped(word).replaceAll(/["\\]/g, String.raw`\$&`);
  return `"${isCommand ? plain.replaceAll('$', '$$$$') : plain}"`;
}

function escaped(text: string): string {
  return text.replaceAll('%', '%%');
}

function agentOf(id: string, { launch, env, home }: ServiceInit): string {
  const log = join(home, 'Library', 'Logs', `${id}.log`);
  const list = [launch.command, ...launch.args].map((word) => `    <string>${xml(word)}</string>`);
  const variables = Object.entries(env).flatMap(([key, value]) => [
    `    <key>${xml(key)}</key>`,
    `    <string>${xml(value)}</string>`,
  ]);
  return `${[
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<!-- Written by starling service install, and removed by starling service uninstall. -->',
    '<plist version="1.0">',
    '<dict>',
    '  <key>Label</key>',
    `  <string>${xml(id)}</string>`,
    '  <key>ProgramArguments</key>',
    '  <array>',
    ...list,
    '  </array>',
    '  <key>EnvironmentVariables</key>',
    '  <dict>',
    ...variables,
    '  </dict>',
    '  <key>WorkingDirectory</key>',
    `  <string>${xml(home)}</string>`,
    '  <key>RunAtLoad</key>',
    '  <true/>',
    '  <key>KeepAlive</key>',
    '  <dict>',
    '    <key>SuccessfulExit</key>',
    '    <false/>',
    '  </dict>',
    '  <key>ThrottleInterval</key>',
    `  <integer>${AGAIN_S}</integer>`,
    '  <key>ExitTimeOut</key>',
    `  <integer>${STOP_S}</integer>`,
    '  <key>Umask</key>',
    '  <integer>63</integer>',
    '  <key>StandardErrorPath</key>',
    `  <string>${xml(log)}</string>`,
    '</dict>',
    '</plist>',
  ].join('\n')}\n`;
}

function xml(text: string): string {
  const names: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return text.replaceAll(/[&<>"]/g, (sign) => names[sign] ?? sign);
}

/** A line break would begin another line of the unit. */
function refuseLines(word: string): void {
  if (!/[\u0000-\u001f]/.test(word)) return;
  throw new StarlingError(
    'STARLING_USAGE',
    `a service can't have the path or value ${JSON.stringify(word)}`,
    {
      hint: 'leave control characters and line breaks out of its paths and variables',
    },
  );
}
