using System.Text.Json;

namespace Backprop.Console.Tests.Commands;

/// <summary>A cluster's certificates, from the command line.</summary>
public sealed class CertsCommandTests : IDisposable
{
    private readonly ScratchDirectory _scratch = new();

    private string Certs => Path.Combine(_scratch.Path, "certs");

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void An_authority_issues_a_nodes_certificate_and_only_its_owner_reads_the_keys()
    {
        CommandRun.Succeeds("certs", "init", "--directory", Certs);
        CommandRun.Succeeds(
            "certs", "issue", "worker-1", "--directory", Certs, "--roles",
            "worker,parameter-server", "--host", "train.example.org", "--host", "10.1.2.3");
        using var shown = JsonDocument.Parse(CommandRun.Succeeds(
            "certs", "show", Path.Combine(Certs, "worker-1.pem"), "--json").Output);
        JsonElement one = shown.RootElement[0];
        Assert.Equal("worker-1", one.GetProperty("name").GetString());
        Assert.Equal("backprop authority", one.GetProperty("issuer").GetString());
        Assert.Equal(["parameter-server", "worker"], Texts(one.GetProperty("roles")));
        Assert.Equal(
            ["localhost", "train.example.org", "127.0.0.1", "::1", "10.1.2.3"],
            Texts(one.GetProperty("hosts")));
        if (!OperatingSystem.IsWindows())
        {
            foreach (string key in Directory.GetFiles(Certs, "*-key.pem"))
            {
                Assert.Equal(
                    UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(key));
            }
        }
    }

    [Fact]
    public void An_authority_is_never_overwritten_and_a_nodes_certificate_is()
    {
        CommandRun.Succeeds("certs", "init", "--directory", Certs);
        string authority = File.ReadAllText(Path.Combine(Certs, "authority.pem"));
        CommandRun.Fails(
            ExitCode.Mistake, $"there is an authority in '{Certs}'", "certs", "init",
            "--directory", Certs);
        Assert.Equal(authority, File.ReadAllText(Path.Combine(Certs, "authority.pem")));

        string[] issue =
            ["certs", "issue", "worker-1", "--directory", Certs, "--roles", "worker"];
        CommandRun.Succeeds(issue);
        string first = File.ReadAllText(Path.Combine(Certs, "worker-1.pem"));
        CommandRun.Succeeds(issue);
        Assert.NotEqual(first, File.ReadAllText(Path.Combine(Certs, "worker-1.pem")));
    }

    [Theory]
    [InlineData("there is no authority in", "issue", "worker-1", "--roles", "worker")]
    [InlineData("there is no role 'wroker'", "issue", "worker-1", "--roles", "wroker")]
    [InlineData("--roles is empty", "issue", "worker-1", "--roles", ",")]
    [InlineData("NAME: the authority is called so", "issue", "authority", "--roles", "worker")]
    [InlineData("NAME: '../x' is not up to 64 letters", "issue", "../x", "--roles", "worker")]
    [InlineData(
        "--host: 'a b' is neither", "issue", "w", "--roles", "worker", "--host", "a b")]
    [InlineData(
        "--life: 'soon' is no time up to 3650d", "issue", "w", "--roles", "worker", "--life",
        "soon")]
    public void Mistakes_are_said_and_nothing_is_written(string message, params string[] arguments)
    {
        if (!message.StartsWith("there is no authority"))
        {
            CommandRun.Succeeds("certs", "init", "--directory", Certs);
        }

        CommandRun.Fails(
            ExitCode.Mistake, message, ["certs", .. arguments, "--directory", Certs]);
        Assert.DoesNotContain(
            Directory.GetFiles(_scratch.Path, "*", SearchOption.AllDirectories),
            file => !Path.GetFileName(file).StartsWith("authority"));
    }

    private static string[] Texts(JsonElement list) =>
        [.. list.EnumerateArray().Select(text => text.GetString()!)];
}
