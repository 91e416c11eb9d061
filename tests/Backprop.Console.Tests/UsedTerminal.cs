using Spectre.Console;
using Spectre.Console.Rendering;
using Spectre.Console.Testing;

namespace Backprop.Console.Tests;

/// <summary>A terminal whose user presses a key once a text is to be seen, then waits for the next
/// text.</summary>
internal sealed class UsedTerminal : IAnsiConsole, IAnsiConsoleInput, IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly TestConsole _terminal = new();
    private readonly Queue<(string Seen, ConsoleKeyInfo Key)> _user;
    private long _since = TimeProvider.System.GetTimestamp();
    private int _read;

    public UsedTerminal(params (string Seen, ConsoleKeyInfo Key)[] user)
    {
        _user = new Queue<(string, ConsoleKeyInfo)>(user);
        _terminal.Profile.Width = 80;
        _terminal.Profile.Height = 24;
        _terminal.Interactive().EmitAnsiSequences();
        _terminal.Profile.Capabilities.AlternateBuffer = true;
    }

    public string Output => _terminal.Output;

    public Profile Profile => _terminal.Profile;

    public IAnsiConsoleCursor Cursor => ((IAnsiConsole)_terminal).Cursor;

    public IAnsiConsoleInput Input => this;

    public IExclusivityMode ExclusivityMode => ((IAnsiConsole)_terminal).ExclusivityMode;

    public RenderPipeline Pipeline => _terminal.Pipeline;

    /// <summary>A key that is a letter.</summary>
    public static ConsoleKeyInfo Letter(char letter) =>
        new(letter, ConsoleKey.None, false, false, false);

    /// <summary>Another key.</summary>
    public static ConsoleKeyInfo Key(ConsoleKey key) => new('\0', key, false, false, false);

    public void Clear(bool home) => _terminal.Clear(home);

    public void Write(IRenderable renderable) => _terminal.Write(renderable);

    public void WriteAnsi(Action<AnsiWriter> action) => _terminal.WriteAnsi(action);

    public bool IsKeyAvailable()
    {
        if (_user.TryPeek(out var next)
            && Output.IndexOf(next.Seen, _read, StringComparison.Ordinal) is >= 0 and var place)
        {
            _read = place;
            _since = TimeProvider.System.GetTimestamp();
            return true;
        }

        Assert.True(
            TimeProvider.System.GetElapsedTime(_since) < s_patience,
            $"'{next.Seen}' is not to be seen");
        return false;
    }

    public ConsoleKeyInfo? ReadKey(bool intercept) => _user.Dequeue().Key;

    public Task<ConsoleKeyInfo?> ReadKeyAsync(
        bool intercept, CancellationToken cancellationToken) =>
        Task.FromResult(ReadKey(intercept));

    public void Dispose() => _terminal.Dispose();
}
