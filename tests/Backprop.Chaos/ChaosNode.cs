using System.Collections.Immutable;
using System.Net;
using Backprop.Chaos.Network;
using Backprop.Chaos.Processes;
using Backprop.Chaos.Schedules;
using Backprop.Distributed.Nodes;

namespace Backprop.Chaos;

/// <summary>A node of a chaos cluster: its process, when it has one, and the proxies before it.
/// </summary>
internal sealed class ChaosNode : IDisposable
{
    private const int TailLines = 40;

    private readonly string _directory;
    private readonly ImmutableDictionary<string, string> _variables;
    private readonly LoopbackProxy[] _proxies;
    private NodeProcess? _process;
    private string _program;

    /// <summary>One that is not started yet.</summary>
    /// <param name="number">Its number.</param>
    /// <param name="part">What it does.</param>
    /// <param name="directory">For its configuration and its log.</param>
    /// <param name="width">A variable that is set to 0, or nothing.</param>
    /// <param name="rules">Between the nodes.</param>
    /// <param name="options">How nodes are run.</param>
    public ChaosNode(
        int number, NodePart part, string directory, string width, LinkRules rules,
        ChaosOptions options)
    {
        Number = number;
        Part = part;
        _directory = directory;
        _program = options.Program;
        _variables = options.Variables(number).SetItem("HOME", directory);
        if (width.Length > 0)
        {
            _variables = _variables.SetItem(width, "0");
        }

        if (options.Certificates is { } certificates)
        {
            _variables = _variables.SetItems(
                certificates.VariablesOf($"node-{number}", RoleOf(part)));
        }

        Port = FreePorts.Next(LoopbackProxy.AddressOf(number));
        LinksPort = FreePorts.Next(LoopbackProxy.AddressOf(number));
        int[] ports = options.HasProxies ? [Port, LinksPort] : [];
        _proxies = [.. ports.Select(port => new LoopbackProxy(
            number, new IPEndPoint(LoopbackProxy.AddressOf(number), port),
            new IPEndPoint(IPAddress.Loopback, port), rules))];
    }

    /// <summary>Its number.</summary>
    public int Number { get; }

    /// <summary>What it does.</summary>
    public NodePart Part { get; }

    /// <summary>For control messages, before it and at it.</summary>
    public int Port { get; }

    /// <summary>For tensor links, before it and at it.</summary>
    public int LinksPort { get; }

    /// <summary>Where others join.</summary>
    public string Address => $"{LoopbackProxy.AddressOf(Number)}:{Port}";

    /// <summary>Whether it has a process.</summary>
    public bool IsRunning => _process is { IsRunning: true };

    /// <summary>Its process; null: there is none.</summary>
    public NodeProcess? Process => IsRunning ? _process : null;

    private string LogFile => Path.Combine(_directory, $"node-{Number}.log");

    private string ConfigurationFile => Path.Combine(_directory, $"node-{Number}.conf");

    /// <summary>What a node of a part is.</summary>
    public static NodeRoles RoleOf(NodePart part) => part switch
    {
        NodePart.Coordinator => NodeRoles.Coordinator,
        NodePart.Server => NodeRoles.ParameterServer,
        _ => NodeRoles.Worker,
    };

    /// <summary>Writes its configuration.</summary>
    public void Configure(string text) => File.WriteAllText(ConfigurationFile, text);

    /// <summary>Puts another version of the software in the place of its own, from its next start
    /// on.</summary>
    /// <param name="program">The file <c>backprop.dll</c> of it.</param>
    /// <param name="announced">The version that it is to say it is; null: its own.</param>
    public void Upgrade(string program, string? announced)
    {
        _program = program;
        if (announced is not null)
        {
            File.AppendAllText(
                ConfigurationFile, $"\nbackprop.node.announced-version = \"{announced}\"\n");
        }
    }

    /// <summary>Starts its process, if it has none.</summary>
    public void Start()
    {
        if (IsRunning)
        {
            return;
        }

        End();
        Array.ForEach(_proxies, proxy => proxy.Open());
        _process = NodeProcess.Start(
            LogFile,
            BackpropProgram.CommandOf(
                _program, _variables, "node", "--config", ConfigurationFile, "--threads", "1"));
    }

    /// <summary>Ends its process without a word: its ports refuse from then on.</summary>
    public void End()
    {
        Array.ForEach(_proxies, proxy => proxy.Close());
        _process?.Dispose();
        _process = null;
    }

    /// <summary>What it last wrote.</summary>
    public string[] LogTail() => [.. Log().TakeLast(TailLines)];

    /// <summary>All that its processes have written, line by line.</summary>
    public string[] Log()
    {
        if (!File.Exists(LogFile))
        {
            return [];
        }

        using var file = new FileStream(
            LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file);
        return reader.ReadToEnd().Split('\n');
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        End();
        Array.ForEach(_proxies, proxy => proxy.Dispose());
    }
}
