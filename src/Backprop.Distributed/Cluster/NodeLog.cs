using Akka.Actor;
using Akka.Configuration;
using Akka.Event;
using Akka.Remote;
using Backprop.Distributed.Security;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Cluster;

/// <summary>Writes a node's log to the standard output, a line an event. Akka's own news are left
/// out, its warnings mostly not. What an event is about is found among the values of its message,
/// by their types.</summary>
public sealed class NodeLog : UntypedActor
{
    private const string FormatKey = "backprop.log.format";

    private static readonly string s_class =
        $"{typeof(NodeLog).FullName}, {typeof(NodeLog).Assembly.GetName().Name}";

    // What is thrown when a connection breaks. It is internal; a version without it fails every
    // test.
    private static readonly Type s_ofConnection = typeof(IRemoteActorRefProvider).Assembly
        .GetType("Akka.Remote.EndpointException", throwOnError: true)!;

    private readonly LogFormat _format = Enum.Parse<LogFormat>(
        Context.System.Settings.Config.GetString(FormatKey), ignoreCase: true);

    private readonly LogLevel _least =
        Logging.LogLevelFor(Context.System.Settings.Config.GetString("akka.loglevel"));

    private readonly RefusalLog _refusals = new(TimeProvider.System);

    private string? _node;

    /// <summary>To be put before Akka's defaults.</summary>
    /// <param name="format">How it is written.</param>
    /// <param name="least">The least that is written.</param>
    public static Config ConfigOf(LogFormat format, LogLevel least) =>
        ConfigurationFactory.ParseString($$"""
            {{FormatKey}} = {{format}}
            akka {
              loglevel = {{least.StringFor()}}
              stdout-loglevel = OFF
              loggers = ["{{s_class}}"]
              log-dead-letters = off
              log-dead-letters-during-shutdown = off
            }
            """);

    /// <inheritdoc/>
    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case InitializeLogger:
                Sender.Tell(new LoggerInitialized());
                break;
            case LogEvent log:
                Note(log);
                break;
        }
    }

    private void Note(LogEvent log)
    {
        if (TransportNews.IsAbout(log, out Refusal? refusal)
            || (refusal = RefusalIn(log)) is not null)
        {
            if (refusal is not null && _refusals.Add(refusal) is { } text)
            {
                Write(new LogLine(log.Timestamp, LogLevel.WarningLevel, text) { Node = Node() });
            }
        }
        else if (IsNews(log))
        {
            Write(LineOf(log, Node()));
        }
    }

    private void Write(LogLine line)
    {
        Console.Out.WriteLine(line.Write(_format));
        Console.Out.Flush();
    }

    private static Refusal? RefusalIn(LogEvent log) => log.Message is LogMessage message
        ? message.Parameters().OfType<Refusal>().FirstOrDefault()
        : null;

    /// <summary>What an event comes to.</summary>
    /// <param name="log">The event.</param>
    /// <param name="node">Whose it is; null: not known yet.</param>
    internal static LogLine LineOf(LogEvent log, string? node)
    {
        object[] values = log.Message is LogMessage message ? [.. message.Parameters()] : [];
        LogScope? scope = values.OfType<LogScope?>().FirstOrDefault();
        if (scope is null && values.OfType<RunId?>().FirstOrDefault() is { } run)
        {
            scope = new LogScope(run);
        }

        return new LogLine(log.Timestamp, log.LogLevel(), $"{log.Message}")
        {
            Node = node,
            Peer = values.OfType<NodeId?>().FirstOrDefault(),
            Scope = scope,
            Cause = log.Cause,
        };
    }

    // The logger is there before the system knows where others reach it.
    private string? Node()
    {
        Address? self = ((ExtendedActorSystem)Context.System).Provider?.DefaultAddress;
        return _node ??= self is { HasGlobalScope: true } ? $"{self.Host}:{self.Port}" : null;
    }

    // Remoting and the proxy tell of every node that is gone, again and again, and of every
    // connection that breaks with it; the membership says it once.
    private bool IsNews(LogEvent log) => log.LogLevel() >= _least && IsNews(
        log.LogClass?.Namespace ?? "", log.LogSource, log.LogLevel(), log.Cause);

    /// <summary>Whether an event is worth a line.</summary>
    /// <param name="space">The namespace of who tells of it.</param>
    /// <param name="source">Who tells of it.</param>
    /// <param name="level">How bad it is.</param>
    /// <param name="cause">What it comes from; null: nothing.</param>
    internal static bool IsNews(string space, string source, LogLevel level, Exception? cause)
    {
        bool isRemoting = Is(space, "Akka.Remote") || Is(source, "remoting");
        LogLevel least = isRemoting || Is(space, "Akka.Cluster.Tools") ? LogLevel.ErrorLevel
            : Is(space, nameof(Akka)) ? LogLevel.WarningLevel
            : LogLevel.DebugLevel;
        return level >= least && !s_ofConnection.IsInstanceOfType(cause);
    }

    private static bool Is(string name, string start) =>
        name.StartsWith(start, StringComparison.Ordinal);
}
