/** Names of the servers, in the order of SRV_*: of workers, bundles, threads, and in everything that people read. */
export const SERVER_NAMES = ['kernel', 'vfs', 'net', 'ipc', 'signal'] as const;
