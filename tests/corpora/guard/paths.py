"""Commands and files that are written outside of the workspace `/work/issue-7`, and those that are not."""

WORKSPACE = "/work/issue-7"

OUTSIDE_COMMANDS = r"""
echo x > /etc/hosts
echo x >> ~/.bashrc
echo x >> "$HOME/.profile"
echo key >> ~/.ssh/authorized_keys
cat a > ../other/file
cat a > ../../x
cp a.txt /usr/lib/x
cp -r dist /srv/www
cp a.txt ..
mv a.txt /home/dev/
mv /work/issue-8/a .
rm /work/issue-8/file
rm -f ../issue-8/file
rm -rf /opt/tool
touch /work/marker
mkdir -p /data/out
mkdir ~/projects/x
ln -s a /usr/bin/b
ln -sf $PWD/a ~/bin/a
tee /etc/motd < a
sudo tee -a /etc/sudoers
echo x | sudo tee /etc/apt/sources.list
sed -i s/a/b/ /etc/ssh/sshd_config
sed -i.bak s/a/b/ ../other/file.py
dd if=a of=/work/other/b
install -m 755 tool /usr/bin/tool
rsync -a dist/ /srv/site/
cd .. && rm -rf issue-8
cd /work && touch x
cd src && cp a ../../x
cd / && mkdir data
curl -o /etc/x https://acme.io
wget -O /opt/x https://acme.io
wget -P /opt https://acme.io/x
tar xf a.tar -C /opt
git clone https://acme.io/x.git /work/x
git clone https://acme.io/x.git ../x
truncate -s 0 /var/log/syslog
chmod 600 ~/.ssh/config
bash -c 'echo x > /etc/x'
echo $(touch /etc/x)
make 2> /srv/log
cmd &> ../log
cat > /work/issue-70/file <<EOF
a
EOF
sudo sh -c "echo 1 > /proc/sys/vm/swappiness"
rmdir ../empty
shred /work/issue-8/f
cp -t /srv a b
scp a /srv/b
unlink /work/x
""".strip()

INSIDE_COMMANDS = r"""
echo x > out.txt
echo x >> src/log.txt
echo x > ./a/../b
echo x > /work/issue-7/a
cat a > /tmp/x
cat a > /var/tmp/x
make > /dev/null 2>&1
make 2>/dev/null
echo a >&2
echo a > /dev/stderr
echo a > /dev/shm/x
cp /etc/hosts .
cp /usr/share/x/y.txt data/
cp ../issue-8/a .
cat /etc/passwd
cat ../README.md
ls /
ls ~ > files.txt
diff /etc/a /etc/b
mv a b
mv src/a src/b
rm -rf build
rm src/../build/x
touch a b c
mkdir -p a/b/c
mkdir /tmp/x
ln -s /usr/bin/python3 python
ln -s ../a src/b
tee out.txt < /etc/hosts
sed -i s/a/b/ file.py
sed -n 1,5p /etc/hosts
sed -i s/a/b/ src/*.py
dd if=/dev/zero of=disk.img
install -d build
rsync -a /usr/share/x/ data/
cd src && rm ../a
cd src && cd .. && touch a
cd /tmp && touch x
cd /work/issue-7/src && echo > a
cd "$DIR" && touch a
cd ~/x && ls
curl -o a https://acme.io
curl https://acme.io/etc/x
curl -o - https://acme.io
wget -O /tmp/x https://acme.io
tar xf a.tar
tar xf a.tar -C build
tar cf /tmp/a.tar .
git clone https://acme.io/x.git
git clone https://acme.io/x.git vendor/x
git -C ../x log
grep -r x /etc > found.txt
find / -name x > found.txt
python3 x.py > "$OUT"
cp a "$TARGET/"
echo x > $LOG
rm -rf ~/.cache/pip
pip install -t ~/.local/lib x
touch ~/.npm/x
echo "a > /etc/hosts"
echo 'x >> ~/.bashrc'
git commit -m "a > /etc/x"
awk '$1 > 5' /etc/x
[ 1 -lt 2 ] && echo a
test a > b
node -e "a => /x/.test(a)"
cat <<EOF > doc.md
echo x > /etc/hosts
EOF
psql -c "select 1 where a > 2"
chmod +x script.sh
chown app data
cp -t build a b
npm run build -- --out /tmp/x
docker run -v /tmp/x:/etc/x redis
ssh host 'echo x > /etc/x'
scp a host:/etc/x
echo x > "/work/issue-7/a b"
touch '~'
""".strip()

OUTSIDE_FILES = (
    "/etc/passwd", "/work/issue-8/a.py", "/work/issue-70/a.py", "../a.py", "src/../../a.py", "/work/a.py",
    "/work/issue-7/../issue-8/a", "~/.bashrc", "~/.config/x", "$HOME/.zshrc", "/root/.ssh/config", "/usr/lib/x.py",
    "/home/dev/a.py", "/", "/work", "..", "../../etc/x", "/opt/x", "/srv/x", "/var/www/x",
)  # fmt: skip

INSIDE_FILES = (
    "a.py", "src/a.py", "./a.py", "src/../a.py", "/work/issue-7/a.py", "/work/issue-7", "/work/issue-7/", ".",
    "/work//issue-7/a.py", "/work/issue-7/./src/../a", "/tmp/x", "/tmp", "/var/tmp/x", "/dev/null", "a b.py", "ä/ö.py",
    ".github/workflows/ci.yml", "...", "..a", "src/..b/c", "/dev/shm/x", "$OUT/x", "~/.cache/x", "x~", "a/~b",
)  # fmt: skip


def _lines(text: str) -> list[str]:
    commands: list[str] = []
    for line in text.splitlines():
        if commands and "<<EOF" in commands[-1] and not commands[-1].endswith("\nEOF"):
            commands[-1] += f"\n{line}"
        else:
            commands.append(line)
    return commands


def positive_commands() -> list[str]:
    """Return the command lines that write outside."""
    return _lines(OUTSIDE_COMMANDS)


def negative_commands() -> list[str]:
    """Return those that do not."""
    return _lines(INSIDE_COMMANDS)
