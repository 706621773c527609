/* open(2): which errno, for which mistake. */ /* musl */
#include "probe.h"

int main(void)
{
	char name[300], path[5000];
	put("f", "x");
	MUST(mkdir("d", 0755));
	OK("missing", open("nosuch", O_RDONLY));
	OK("missing-dir", open("nosuch/f", O_RDONLY | O_CREAT, 0666));
	OK("empty", open("", O_RDONLY));
	OK("null", open(NULL, O_RDONLY));
	OK("bad-pointer", open((char *)16, O_RDONLY));
	OK("excl", open("f", O_RDWR | O_CREAT | O_EXCL, 0666));
	OK("excl-dir", open("d", O_RDONLY | O_CREAT | O_EXCL, 0666));
	OK("dir-write", open("d", O_WRONLY));
	OK("dir-creat", open("d", O_RDONLY | O_CREAT, 0666));
	OK("dir-trunc", open("d", O_RDONLY | O_TRUNC));
	OK("dir-read", open("d", O_RDONLY));
	OK("file-as-dir", open("f/x", O_RDONLY));
	OK("file-slash", open("f/", O_RDONLY));
	OK("file-dot", open("f/.", O_RDONLY));
	OK("new-slash", open("new/", O_RDWR | O_CREAT, 0666));
	OK("o-directory-file", open("f", O_RDONLY | O_DIRECTORY));
	OK("o-directory-dir", open("d", O_RDONLY | O_DIRECTORY));
	OK("o-directory-dir-slash", open("d/", O_RDONLY | O_DIRECTORY));
	OK("dotdot", open("d/../f", O_RDONLY));
	OK("many-slashes", open(".///d//..////f", O_RDONLY));
	memset(name, 'n', sizeof name);
	name[255] = 0;
	OK("name-255", open(name, O_RDWR | O_CREAT, 0666));
	name[255] = 'n';
	name[256] = 0;
	OK("name-256", open(name, O_RDWR | O_CREAT, 0666));
	memset(path, '/', sizeof path);
	memcpy(path, "./", 2);
	strcpy(path + 4094, "f");
	OK("path-4095", open(path, O_RDONLY));
	memset(path, '/', sizeof path);
	memcpy(path, "./", 2);
	strcpy(path + 4095, "f");
	OK("path-4096", open(path, O_RDONLY));
	OK("badfd", openat(77, "f", O_RDONLY));
	OK("badfd-absolute", openat(77, "/", O_RDONLY));
	int fd = open("f", O_RDONLY);
	OK("dirfd-is-file", openat(fd, "f", O_RDONLY));
	OK("accmode-3-read", read(open("f", 3), name, 1));
	IS("no-leftover", access("new", F_OK) < 0);
	return 0;
}
