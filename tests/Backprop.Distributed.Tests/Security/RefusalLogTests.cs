using Backprop.Distributed.Security;
using Microsoft.Extensions.Time.Testing;

namespace Backprop.Distributed.Tests.Security;

/// <summary>Refusals are told, and do not fill the log.</summary>
public sealed class RefusalLogTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly List<string> _lines = [];
    private readonly RefusalLog _log;

    public RefusalLogTests() => _log = new RefusalLog(_time);

    [Fact]
    public void The_same_again_is_counted_and_told_once_a_minute()
    {
        for (int port = 1; port <= 1_000; port++)
        {
            Add("tensor link", $"10.0.0.7:{port}", "it shows no certificate");
        }

        Add("tensor link", "10.0.0.8:1", "it shows no certificate");
        Add("tensor link", "10.0.0.7:1", "it does not shake hands in TLS 1.3");
        Assert.Equal(
            [
                "A tensor link from 10.0.0.7 was refused: it shows no certificate",
                "A tensor link from 10.0.0.8 was refused: it shows no certificate",
                "A tensor link from 10.0.0.7 was refused: it does not shake hands in TLS 1.3",
            ],
            _lines);

        _time.Advance(TimeSpan.FromMinutes(1));
        Add("tensor link", "10.0.0.7:5", "it shows no certificate");
        Assert.Equal(
            "A tensor link from 10.0.0.7 was refused: it shows no certificate (999 times more since"
            + " that was told last)",
            _lines[^1]);
    }

    [Fact]
    public void Machines_without_end_do_not_fill_the_memory()
    {
        for (int i = 0; i < 10_000; i++)
        {
            Add("tensor link", $"host-{i}:1", "it shows no certificate");
        }

        Assert.Equal(256, _log.KnownCount);
    }

    [Theory]
    [InlineData("[::ffff:10.0.0.7]:81", "10.0.0.7")]
    [InlineData("10.0.0.7:81", "10.0.0.7")]
    [InlineData("[fe80::1]:81", "fe80::1")]
    [InlineData("10.0.0.7", "10.0.0.7")]
    [InlineData("node-1", "node-1")]
    public void A_machine_is_told_without_its_port(string remote, string machine) =>
        Assert.Equal(
            $"A tensor link from {machine} was refused: is closed",
            $"{new Refusal("tensor link", remote, "is closed")}");

    private void Add(string what, string remote, string reason)
    {
        if (_log.Add(new Refusal(what, remote, reason)) is { } line)
        {
            _lines.Add(line);
        }
    }
}
