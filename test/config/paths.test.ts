import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { socketPath, tokenFile } from '../../src/config/index.ts';
import { defaultConfigFile, defaultStateDir } from '../../src/config/paths.ts';

const platform = process.platform;
function on(name: NodeJS.Platform): void {
  Object.defineProperty(process, 'platform', { value: name });
}
afterEach(() => on(platform));

describe('the state folder and the config file', () => {
  it('follow the XDG specification on Linux', () => {
    on('linux');
    expect(defaultStateDir({ HOME: '/h' })).toBe('/h/.local/state/starling');
    expect(defaultStateDir({ HOME: '/h', XDG_STATE_HOME: '/s' })).toBe('/s/starling');
    expect(defaultConfigFile({ HOME: '/h' })).toBe('/h/.config/starling/starling.json');
    expect(defaultConfigFile({ HOME: '/h', XDG_CONFIG_HOME: '/c' })).toBe(
      '/c/starling/starling.json',
    );
  });

  it('ignore XDG folders that are relative or empty, as it says', () => {
    on('linux');
    const env = { HOME: '/h', XDG_STATE_HOME: 'state', XDG_CONFIG_HOME: '' };
    expect(defaultStateDir(env)).toBe('/h/.local/state/starling');
    expect(defaultConfigFile(env)).toBe('/h/.config/starling/starling.json');
  });

  it('lie in the Library on macOS', () => {
    on('darwin');
    const folder = '/h/Library/Application Support/starling';
    expect(defaultStateDir({ HOME: '/h' })).toBe(folder);
    expect(defaultConfigFile({ HOME: '/h' })).toBe(`${folder}/starling.json`);
  });

  it('lie in AppData on Windows', () => {
    on('win32');
    expect(defaultStateDir({ LOCALAPPDATA: '/l' })).toBe(join('/l', 'starling'));
    expect(defaultConfigFile({ APPDATA: '/r' })).toBe(join('/r', 'starling', 'starling.json'));
  });

  it('lie in the home folder that the system knows when HOME is not set', () => {
    on('linux');
    for (const env of [{}, { HOME: '' }]) {
      expect(defaultStateDir(env)).toBe(join(homedir(), '.local/state/starling'));
    }
  });
});

describe('the socket of a node', () => {
  it('lies in the state folder when its path is short enough', () => {
    on('linux');
    expect(socketPath('/state')).toBe('/state/node.sock');
    const longest = `/${'x'.repeat(89)}`;
    expect(Buffer.byteLength(socketPath(longest))).toBe(100);
    expect(socketPath(longest)).toContain(longest);
  });

  it('lies in a folder of the user under the temporary one when it is not', () => {
    on('linux');
    const path = socketPath(`/${'ö'.repeat(45)}`);
    expect(path).toBe(
      join(tmpdir(), `starling-${process.getuid?.()}`, path.split('/').at(-1) ?? ''),
    );
    expect(path).toMatch(/\/[0-9a-f]{16}\.sock$/);
    expect(socketPath(`/${'ö'.repeat(46)}`)).not.toBe(path);
  });

  it('is the same for the same folder, however it is written', () => {
    expect(socketPath('./state')).toBe(socketPath(join(process.cwd(), 'x', '..', 'state')));
  });

  it('is a named pipe on Windows', () => {
    on('win32');
    expect(socketPath('/state')).toMatch(/^\\\\\.\\pipe\\starling-[0-9a-f]{16}$/);
  });
});

it('the token lies in the state folder', () => {
  expect(tokenFile('/state')).toBe(join('/state', 'token'));
});
