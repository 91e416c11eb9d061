using Backprop.Distributed.Security;
using Microsoft.Extensions.Time.Testing;

namespace Backprop.Distributed.Tests.Security;

/// <summary>Refusals are told, and do not fill the log.</summary>
public sealed class RefusalLogTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly List<string> _lines = [];

    [Fact]
    public void The_same_again_is_counted_and_told_once_a_minute()
    {
        var log = new RefusalLog(_lines.Add, _time);
        for (int port = 1; port <= 1_000; port++)
        {
            log.Add("tensor link", $"10.0.0.7:{port}", "shows no certificate");
        }

        log.Add("tensor link", "10.0.0.8:1", "shows no certificate");
        log.Add("tensor link", "10.0.0.7:1", "does not shake hands in TLS 1.3");
        Assert.Equal(
            [
                "A tensor link from 10.0.0.7 was refused: it shows no certificate",
                "A tensor link from 10.0.0.8 was refused: it shows no certificate",
                "A tensor link from 10.0.0.7 was refused: it does not shake hands in TLS 1.3",
            ],
            _lines);

        _time.Advance(TimeSpan.FromMinutes(1));
        log.Add("tensor link", "10.0.0.7:5", "shows no certificate");
        Assert.Equal(
            "A tensor link from 10.0.0.7 was refused: it shows no certificate (999 times more since"
            + " that was told last)",
            _lines[^1]);
    }

    [Fact]
    public void Machines_without_end_do_not_fill_the_memory()
    {
        var log = new RefusalLog(_ => { }, _time);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        for (int i = 0; i < 10_000; i++)
        {
            log.Add("tensor link", $"host-{i}:1", "shows no certificate");
        }

        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, -1 << 30, 1 << 20);
    }
}
