/** Which part of the mesh a session is opened at, and which list of tools it gives. */

/** `search`: three tools stand for the whole list. */
export type ToolsMode = 'all' | 'search';

/** Which part of the mesh a session is opened at. */
export type ViewSpec =
  /** Everything that the principal may see, or what the named view shows of it. */
  | { readonly kind: 'all'; readonly view?: string; readonly tools?: ToolsMode }
  /** One server, its names untouched; of this node, or of the peer of this alias. */
  | { readonly kind: 'server'; readonly server: string; readonly peer?: string }
  /** For peers: what this node's servers list, and nothing to call. */
  | { readonly kind: 'catalog' };
