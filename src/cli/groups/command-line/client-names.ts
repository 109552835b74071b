/**
 * The MCP clients that `starling connect` and `mcp import` know, as their help names them: the same as in
 * `client-files/mcp-clients.ts`, which is not loaded for a help; a test compares them.
 */
export const CLIENTS =
  'claude-desktop, claude-code, cursor, vscode, windsurf, cline, gemini-cli, copilot, zed or lm-studio';
