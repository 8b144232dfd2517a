import { expect, test } from 'vitest';
import {
  ownerOf,
  parseEnviron,
  parseListeners,
  parseMountinfo,
  parseStat,
  processes,
} from '../../../agent/service/procfs.ts';

test('a name with blanks and brackets does not shift the fields of stat', () => {
  const fields = ['S', '7', ...Array<string>(17).fill('0'), '4242', '0'].join(' ');
  expect(parseStat(`12 (a) b (c)) ${fields}`)).toEqual({ state: 'S', ppid: 7, startTicks: 4242 });
});

test('mount points are unescaped', () => {
  const text = [
    '612 590 0:52 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a',
    '640 612 254:1 /home/me/my\\040code /var/azureml-app/my\\040code rw,relatime - ext4 /dev/vda1 rw',
    '',
  ].join('\n');
  expect(parseMountinfo(text)).toEqual([
    { point: '/', source: '/' },
    { point: '/var/azureml-app/my code', source: '/home/me/my code' },
  ]);
});

test('listening sockets only, with the address that reaches them', () => {
  const line = (address: string, state: string, inode: number) =>
    `   0: ${address} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0 100`;
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    line('00000000:1389', '0A', 11),
    line('0100007F:7A4F', '0A', 12),
    line('0200A8C0:0050', '0A', 13),
    line('0100007F:7A4F', '01', 14),
    line('00000000000000000000000000000000:1F90', '0A', 15),
    line('00000000000000000000000001000000:1F91', '0A', 16),
    line('0000000000000000FFFF00000100007F:1F92', '0A', 17),
    line('B80D01200000000000000000010000FF:1F93', '0A', 18),
  ].join('\n');
  expect(parseListeners(table)).toEqual([
    { host: '127.0.0.1', port: 5001, loopback: false, inode: '11' },
    { host: '127.0.0.1', port: 31311, loopback: true, inode: '12' },
    { host: '192.168.0.2', port: 80, loopback: false, inode: '13' },
    { host: '127.0.0.1', port: 8080, loopback: false, inode: '15' },
    { host: '::1', port: 8081, loopback: true, inode: '16' },
    { host: '127.0.0.1', port: 8082, loopback: true, inode: '17' },
    { host: '127.0.0.1', port: 8083, loopback: false, inode: '18' },
  ]);
});

test('an environment may hold anything behind the first equals sign', () => {
  expect(parseEnviron('A=1\0B=x=y\nz\0broken\0=C:\0E=\0')).toEqual({ A: '1', B: 'x=y\nz', E: '' });
});

test('this very process is among the live ones, under its own uid', () => {
  expect(processes().get(process.pid)).toMatchObject({ pid: process.pid, ppid: process.ppid });
  expect(ownerOf(process.pid)).toEqual({ uid: process.geteuid?.(), gid: process.getegid?.() });
});
