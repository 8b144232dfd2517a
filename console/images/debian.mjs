/**
 * Debian 12 with Python, pip and what runit's services need. Plain JavaScript: the bootstrap of a bare clone makes it
 * while the packages are still being installed.
 */
export const MMDEBSTRAP = [
  '--quiet',
  '--verbose',
  '--variant=apt',
  '--format=tar',
  '--include=python3,python3-pip,runit,psmisc,ca-certificates',
  '--dpkgopt=force-unsafe-io',
  '--dpkgopt=path-exclude=/usr/share/man/*',
  '--dpkgopt=path-exclude=/usr/share/locale/*',
  '--dpkgopt=path-exclude=/usr/share/doc/*',
  '--dpkgopt=path-include=/usr/share/doc/*/copyright',
  'bookworm',
  '-',
];
