from trainrun.util import machine


def test_a_container_s_limit_counts_and_its_files_do_not(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 16000 kB\nMemAvailable:    8000 kB\n")
    assert machine.free(meminfo, tmp_path) == 8000 * 1024
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert machine.free(meminfo, tmp_path) == 4_000_000
    (tmp_path / "memory.stat").write_text("anon 700000\ninactive_file 300000\n")
    assert machine.free(meminfo, tmp_path) == 4_300_000, "the kernel gives them back"
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.free(meminfo, tmp_path) == 8000 * 1024
