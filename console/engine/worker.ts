/** The engine's thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { openDocker } from '../place/docker/docker.ts';
import { ContainerEngine, type EngineOptions } from './engine.ts';
import { serveEngine } from './thread.ts';

if (parentPort === null) throw new Error('worker.ts is run as a thread');
const place = await openDocker({ env: process.env });
serveEngine(new ContainerEngine(place, workerData as EngineOptions), parentPort);
