/** How this machine reaches package indexes: its certificate authorities, its mirrors and proxies. */
import { readFile } from 'node:fs/promises';
import { DrydockError } from '../../shared/core/errors.ts';
import type { Downloads } from './packages.ts';

/** Variables that name a PEM file with every authority, the first that is set counts. */
const NAMED = ['PIP_CERT', 'REQUESTS_CA_BUNDLE', 'SSL_CERT_FILE', 'CURL_CA_BUNDLE'];
/** Where systems keep theirs: Debian, Red Hat, macOS and Alpine. */
const BUNDLES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'];
const SETTINGS = /^(PIP_(INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST|DEFAULT_TIMEOUT|RETRIES)|(HTTPS?|NO)_PROXY)$/i;

export async function readDownloads(env: Readonly<Record<string, string | undefined>>): Promise<Downloads> {
  const settings = Object.entries(env).filter(
    (entry): entry is [string, string] => SETTINGS.test(entry[0]) && entry[1] !== undefined && entry[1] !== '',
  );
  return { certificates: await readCertificates(env), env: Object.fromEntries(settings) };
}

async function readCertificates(env: Readonly<Record<string, string | undefined>>): Promise<string | null> {
  for (const name of NAMED) {
    const file = env[name];
    if (file === undefined || file === '') continue;
    try {
      return await readFile(file, 'utf8');
    } catch (cause) {
      throw new DrydockError('io', `${name} names ${file}, which cannot be read.`, {
        hint: `Let ${name} name a PEM file with the certificate authorities, or unset it.`,
        cause,
      });
    }
  }
  for (const file of BUNDLES) {
    const text = await readFile(file, 'utf8').catch(() => null);
    if (text !== null) return text;
  }
  return null;
}
