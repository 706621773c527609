/** The vfs server's worker: names, files, mounts, terminals, proc. */
import { runWorker } from '../../shared/boot.js';
import type { VfsControl } from '../../shared/control.js';
import { installBoot } from './boot-messages.js';
import { installDevices } from './devfs/dev.js';
import { exePath } from './exec.js';
import { setEndpoint } from './file.js';
import { installVfs } from './install.js';
import { mappedPath } from './mapped.js';
import { installExe } from './procfs/exe.js';
import { mapPrefixesOf, setHostPathOf, setMapPrefixes } from './procfs/maps.js';
import { installListings } from './listings.js';
import { installSiblings } from './siblings.js';
import { installStartNames } from './start-names.js';
import { Tree } from './tree.js';

runWorker((ep, boot) => {
  setEndpoint(ep);
  const con = installDevices(ep, boot);
  const tree = new Tree(ep, boot.spec);
  installVfs(ep);
  installExe(ep, exePath);
  installSiblings(ep);
  installListings(ep);
  installStartNames(ep, (id) => exePath(id)?.inode);
  setHostPathOf(mappedPath);
  setMapPrefixes(mapPrefixesOf(boot.spec));
  installBoot(ep, tree, con);
  const control: VfsControl = {
    resize: (rows, cols) => con?.resize(rows, cols),
    shutdown: () => {
      con?.flush();
      tree.save();
    },
  };
  return control;
});
