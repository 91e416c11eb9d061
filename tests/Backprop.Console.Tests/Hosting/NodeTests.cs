using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Configuration;
using Akka.Configuration.Hocon;
using Akka.Streams;
using Backprop.Console.Hosting;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Backprop.Console.Tests.Hosting;

/// <summary>A node in this process: what its host makes of it, and how it ends.</summary>
public sealed class NodeTests : IDisposable
{
    private readonly ScratchDirectory _state = new();

    public void Dispose() => _state.Dispose();

    [Theory]
    [InlineData("coordinator,parameter-server,worker")]
    [InlineData("worker")]
    public void A_host_adds_to_the_configuration_and_changes_nothing(string roles)
    {
        NodeConfiguration node = NodeConfigurationReader.Read(null, Variables(roles));
        using ActorSystem plain = ActorSystem.Create(
            ClusterActorConfiguration.SystemName,
            NodeServices.ConfigurationOf(node, node.Member.Host));
        using IHost host = NodeServices.Open(
            node, node.Member.Host, certificates: null);
        var hosted = host.Services.GetRequiredService<ActorSystem>();
        Dictionary<string, string> expected = Flatten(plain.Settings.Config);
        Dictionary<string, string> actual = Flatten(hosted.Settings.Config);
        Assert.Contains("akka.cluster.downing-provider-class", expected.Keys);
        Assert.Contains("akka.persistence.journal.plugin", expected.Keys);
        Assert.Empty(expected.Except(actual));
        // Otherwise streams get their defaults when one is used for the first time.
        Assert.Empty(
            actual.Except(expected).Except(Flatten(ActorMaterializer.DefaultConfig())));
    }

    [Theory]
    [InlineData(
        "NODE",
        "control messages cannot be taken at 127.0.0.1:{0}: Address already in use; another port is"
        + " set by --port or backprop.node.port")]
    [InlineData(
        "LINKS", "tensor links cannot be accepted at 127.0.0.1:{0}: Address already in use")]
    [InlineData(
        "API",
        "the API cannot be served at 127.0.0.1:{0}: Failed to bind to address http://127.0.0.1:{0}:"
        + " address already in use.; another port is set by --api-port or backprop.api.port")]
    public void A_port_that_is_taken_is_said_in_one_line(string port, string message)
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        int taken = ((IPEndPoint)other.LocalEndpoint).Port;
        Dictionary<string, string> variables = Variables("coordinator,parameter-server,worker");
        variables[$"BACKPROP__{port}__PORT"] = $"{taken}";
        CommandRun run = CommandRun.With(new Surroundings { Variables = variables }, "node");
        Assert.Equal($"backprop: {string.Format(message, taken)}{Environment.NewLine}", run.Error);
        Assert.Equal((ExitCode.Failure, ""), (run.ExitCode, run.Output));
    }

    [Fact]
    public void A_process_hosts_one_node_after_another()
    {
        for (int i = 0; i < 2; i++)
        {
            using var interruption = new Interruption();
            using var output = new ReactingWriter("ready", interruption.Request);
            int exitCode = BackpropCommandLine.Run(["node"], new CommandEnvironment
            {
                Output = output,
                Error = output,
                Terminal = null,
                Variables = Variables("coordinator,parameter-server,worker"),
                Time = TimeProvider.System,
                ListenForInterruption = () => interruption,
                Program = ["backprop"],
            });
            string[] lines = output.ToString().Split(Environment.NewLine);
            Assert.Equal(["ready", "leaving", "ended", ""], lines[^4..]);
            Assert.Equal(ExitCode.Done, exitCode);
        }
    }

    private Dictionary<string, string> Variables(string roles) => new()
    {
        ["BACKPROP__PERSISTENCE__DIRECTORY"] = _state.Path,
        ["BACKPROP__NODE__ROLES"] = roles,
        ["BACKPROP__CLUSTER__JOIN"] = roles == "worker" ? "127.0.0.1:1" : "",
        ["BACKPROP__NODE__PORT"] = "0",
        ["BACKPROP__LINKS__PORT"] = "0",
        ["BACKPROP__API__PORT"] = "0",
    };

    private static Dictionary<string, string> Flatten(Config configuration)
    {
        var values = new Dictionary<string, string>();
        Collect(configuration.Root, "");
        return values;

        void Collect(HoconValue value, string path)
        {
            if (!value.IsObject())
            {
                values[path] = value.ToString();
                return;
            }

            foreach ((string key, HoconValue inner) in value.GetObject().Items)
            {
                Collect(inner, path.Length > 0 ? $"{path}.{key}" : key);
            }
        }
    }

    private sealed class ReactingWriter(string line, Action react) : StringWriter
    {
        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            if (value == line)
            {
                react();
            }
        }
    }
}
