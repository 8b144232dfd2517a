/** The two bundles: the console (ESM, a chunk a verb) and the agent (one CJS file). */
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';

/** Identifiers stay, so that the stack of a bug still says where it was. */
const common = {
  bundle: true,
  platform: 'node',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
} as const;

/** zod brings its messages in fifty languages; nobody sees even the English ones. */
const oneLanguage: Plugin = {
  name: 'one-language',
  setup(bundler) {
    bundler.onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    }));
  },
};

/**
 * As ESM, a built-in module is imported with every export that it has, and node:http's WebSocket loads all of undici:
 * 45 ms at each start. As CommonJS only what is used is loaded.
 */
const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup(bundler) {
    const virtual = 'builtin';
    bundler.onResolve({ filter: /^(node:)?https?$/ }, ({ path, namespace }) =>
      namespace === virtual ? null : { path: path.replace(/^node:/, ''), namespace: virtual },
    );
    bundler.onLoad({ filter: /.*/, namespace: virtual }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('node:${path}');`,
    }));
  },
};

/** The agent's WebSockets travel over a Unix socket: ws asks for node:https, 25 ms with its TLS, and uses it never. */
const withoutTls: Plugin = {
  name: 'without-tls',
  setup(bundler) {
    bundler.onResolve({ filter: /^(node:)?(https|tls)$/ }, ({ path }) => ({ path, namespace: 'without-tls' }));
    bundler.onLoad({ filter: /.*/, namespace: 'without-tls' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/** docker-modem formats each request for a debug log that is off: 40 ms of a short verb. */
const quietModem: Plugin = {
  name: 'quiet-modem',
  setup(bundler) {
    bundler.onLoad({ filter: /docker-modem\/lib\/modem\.js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const contents = text.replace(/debug\('Sending: %s', util\.inspect\([^;]*\)\);/, '');
      if (contents === text) throw new Error('docker-modem no longer formats its requests: drop this plugin');
      return { contents };
    });
  },
};

/** In the kit, koffi is its addon alone, beside the bundle: its own JavaScript only looks for the addon of each system. */
const bareKoffi: Plugin = {
  name: 'bare-koffi',
  setup(bundler) {
    bundler.onResolve({ filter: /^koffi$/ }, ({ path }) => ({ path, namespace: 'bare-koffi' }));
    bundler.onResolve({ filter: /^\.\/koffi\.node$/ }, ({ path }) => ({ path, external: true }));
    bundler.onLoad({ filter: /.*/, namespace: 'bare-koffi' }, () => ({
      contents: "module.exports = require('./koffi.node');",
    }));
  },
};

/**
 * Parts of dependencies that we never use, or seldom: dockerode imports gRPC for BuildKit sessions and docker-modem
 * imports ssh2 for ssh:// engines, both before anything asks for them; Ink offers React's developer tools.
 */
const seldomUsed: Plugin = {
  name: 'seldom-used',
  setup(bundler) {
    const refuse = (name: string) =>
      `module.exports = new Proxy({}, { get() { throw new Error('${name} left out'); } });`;
    const virtual = 'seldom-used';
    bundler.onResolve({ filter: /^@grpc\/|^react-devtools-core$|\.node$/ }, ({ path }) => ({
      path,
      namespace: virtual,
    }));
    bundler.onResolve({ filter: /^ssh2$/ }, ({ path, namespace }) =>
      namespace === virtual ? null : { path, namespace: virtual },
    );
    bundler.onLoad({ filter: /.*/, namespace: virtual }, ({ path }) => {
      if (path === 'ssh2') {
        return {
          contents: "exports.Client = function () { return new (require('ssh2').Client)(); };",
          resolveDir: import.meta.dirname,
        };
      }
      // A native addon's absence must throw at once: that is how ssh2 learns to do without.
      if (path.endsWith('.node')) return { contents: `throw new Error('${path} left out');` };
      return { contents: refuse(path) };
    });
  },
};

export interface BundleOptions {
  readonly root: string;
  readonly out: string;
  /** Digest of the build, for the handshake. */
  readonly version: string;
}

export async function bundleConsole({ root, out, version }: BundleOptions): Promise<Metafile> {
  const entries = { drydock: 'console/main.ts', 'engine-worker': 'console/engine/worker.ts' };
  const { metafile } = await build({
    ...common,
    absWorkingDir: root,
    entryPoints: present(root, entries),
    outdir: out,
    format: 'esm',
    target: 'node20',
    splitting: true,
    chunkNames: 'chunk-[hash]',
    external: ['koffi'],
    plugins: [lazyBuiltins, quietModem, seldomUsed, oneLanguage],
    // What its package names first asks for its own parts in a way that no bundler sees.
    alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
    define: { 'process.env.NODE_ENV': '"production"', DRYDOCK_VERSION: JSON.stringify(`${release(root)}+${version}`) },
    banner: {
      js: [
        '#!/usr/bin/env node',
        "import { createRequire as drydockRequire } from 'node:module';",
        'const require = drydockRequire(import.meta.url);',
      ].join('\n'),
    },
  });
  return metafile;
}

export async function bundleAgent({ root, out, version }: BundleOptions): Promise<Metafile> {
  const { metafile } = await build({
    ...common,
    absWorkingDir: root,
    entryPoints: present(root, { agent: 'agent/main.ts' }),
    outdir: out,
    outExtension: { '.js': '.cjs' },
    format: 'cjs',
    target: 'node24',
    plugins: [withoutTls, bareKoffi, oneLanguage],
    define: { DRYDOCK_BUILD: JSON.stringify(version) },
  });
  return metafile;
}

function release(root: string): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return version;
}

/** Entries whose file exists. */
function present(root: string, entries: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(join(root, file))));
}
