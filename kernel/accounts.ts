/** /etc/passwd and /etc/group of the guest: who the first program runs as. passwd(5), group(5). Pure functions over the files' text (latin1). */

export interface Account { readonly name: string; readonly uid: number; readonly gid: number; readonly home: string }

const numeric = (s: string | undefined): number => (s !== undefined && /^\d+$/.test(s) && Number(s) < 0xffffffff ? Number(s) : -1);

/** The first entry that fits. Lines that are no entries are skipped. */
function findAccount(passwd: string, fits: (name: string, uid: number) => boolean): Account | undefined {
  for (const line of passwd.split('\n')) {
    const w = line.split(':');
    const uid = numeric(w[2]);
    const gid = numeric(w[3]);
    if (w.length < 6 || uid < 0 || gid < 0 || !fits(w[0] as string, uid)) continue;
    return { name: w[0] as string, uid, gid, home: w[5] as string };
  }
  return undefined;
}
const accountByName = (passwd: string, name: string): Account | undefined => findAccount(passwd, (n) => n === name);
const accountByUid = (passwd: string, uid: number): Account | undefined => findAccount(passwd, (_n, u) => u === uid);

/** gid of a group name, -1 = no such group. */
function groupByName(group: string, name: string): number {
  for (const line of group.split('\n')) {
    const w = line.split(':');
    if (w[0] === name && numeric(w[2]) >= 0) return numeric(w[2]);
  }
  return -1;
}

/** gids of the groups that list a user as a member. */
function groupsOf(group: string, name: string): number[] {
  const out: number[] = [];
  for (const line of group.split('\n')) {
    const w = line.split(':');
    const gid = numeric(w[2]);
    if (gid >= 0 && (w[3] ?? '').split(',').includes(name) && !out.includes(gid)) out.push(gid);
  }
  return out;
}

export interface Identity { readonly uid: number; readonly gid: number; readonly groups: readonly number[]; readonly home: string }

/**
 * Who runs the first program. user: as written after -u, "name|uid[:group|gid]" or ''; uid, gid: its numbers, -1 = look up.
 * A text = what is wrong.
 */
export function identify(passwd: string, group: string, user: string, uidWanted: number, gidWanted: number, groups: readonly number[] | undefined): Identity | string {
  const colon = user.indexOf(':');
  const userPart = colon < 0 ? user : user.slice(0, colon);
  const groupPart = colon < 0 ? '' : user.slice(colon + 1);
  const account = uidWanted >= 0 ? accountByUid(passwd, uidWanted) : accountByName(passwd, userPart);
  if (uidWanted < 0 && account === undefined) return `no user ${userPart} in the container's /etc/passwd; give a number to -u`;
  const uid = uidWanted >= 0 ? uidWanted : (account as Account).uid;
  let gid = gidWanted;
  if (gid < 0 && groupPart !== '') {
    gid = groupByName(group, groupPart);
    if (gid < 0) return `no group ${groupPart} in the container's /etc/group; give a number to -u`;
  } else if (gid < 0) gid = account?.gid ?? 0;
  return { uid, gid, groups: groups ?? (account === undefined ? [] : groupsOf(group, account.name)), home: account?.home === undefined || account.home === '' ? '/' : account.home };
}
