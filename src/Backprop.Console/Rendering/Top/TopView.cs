using System.Collections.Immutable;
using Backprop.Console.Client;
using Spectre.Console;

namespace Backprop.Console.Rendering.Top;

/// <summary>Shows <c>backprop top</c> on the whole of a terminal, which is as it was before when
/// the user has enough of it.</summary>
internal sealed class TopView(
    ApiClient api, TopState first, CommandEnvironment environment, IAnsiConsole terminal)
{
    private const int LeastWidth = 40;
    private const int LeastHeight = 8;

    // Also how long a key waits.
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(40);

    // Connections may be slow; what a key does is seen at once.
    private static readonly TimeSpan s_between = TimeSpan.FromMilliseconds(200);

    // Runs that are passed by on the way down a list are not asked for.
    private static readonly TimeSpan s_settle = TimeSpan.FromMilliseconds(200);

    private TopState _state = first;
    private ImmutableArray<TopLine> _shown = [];
    private (int Width, int Height) _size;
    private long _movedAt;
    private long _drawnAt;

    /// <summary>Whether a terminal can show it.</summary>
    public static bool CanShow(CommandEnvironment environment) =>
        environment.HasKeyboard && environment.Terminal?.Profile.Capabilities
            is { Ansi: true, Interactive: true, AlternateBuffer: true };

    /// <summary>Shows it until the user quits, or interrupts.</summary>
    public async Task ShowAsync(CancellationToken interrupted)
    {
        await using var feeds = new TopFeeds(api, environment.Time);
        terminal.AlternateScreen(() =>
        {
            terminal.Cursor.Hide();
            try
            {
                while (!interrupted.IsCancellationRequested)
                {
                    Hear(feeds);
                    bool isPressed = terminal.Input.IsKeyAvailable();
                    if (isPressed && !Press(feeds))
                    {
                        return;
                    }

                    if (environment.Time.GetElapsedTime(_movedAt) >= s_settle)
                    {
                        feeds.Follow(_state.Wanted());
                    }

                    Draw(isPressed);
                    interrupted.WaitHandle.WaitOne(s_look);
                }
            }
            finally
            {
                terminal.Cursor.Show();
            }
        });
    }

    private void Hear(TopFeeds feeds)
    {
        while (feeds.TryHear(out TopInput? input))
        {
            _state = _state.Decide(input!).Next;
        }
    }

    // False: the user quits.
    private bool Press(TopFeeds feeds)
    {
        while (terminal.Input.IsKeyAvailable()
            && terminal.Input.ReadKey(intercept: true) is { } key)
        {
            TopState before = _state;
            (_state, TopRequest? request) = _state.Decide(new TopInput.Pressed(key));
            if (_state.Selected != before.Selected)
            {
                _movedAt = environment.Time.GetTimestamp();
            }

            switch (request)
            {
                case TopRequest.Quit:
                    return false;
                case TopRequest.Control wanted:
                    feeds.Begin(wanted);
                    break;
            }
        }

        return true;
    }

    private void Draw(bool isUrgent)
    {
        if (!isUrgent && environment.Time.GetElapsedTime(_drawnAt) < s_between)
        {
            return;
        }

        _drawnAt = environment.Time.GetTimestamp();
        int width = Math.Max(LeastWidth, terminal.Profile.Width);
        int height = Math.Max(LeastHeight, terminal.Profile.Height);
        ImmutableArray<TopLine> lines = TopScreen.Lines(
            _state, width, height, environment.Time.GetUtcNow());
        if (_size != (width, height))
        {
            _size = (width, height);
            terminal.Clear(home: true);
        }
        else if (lines.SequenceEqual(_shown))
        {
            return;
        }

        _shown = lines;
        terminal.Cursor.SetPosition(0, 0);
        var screen = new Paragraph();
        for (int i = 0; i < lines.Length; i++)
        {
            screen.Append(
                (i == 0 ? "" : "\n") + lines[i].Text.PadRight(width - 1), StyleOf(lines[i].Style));
        }

        terminal.Write(screen);
    }

    private static Style StyleOf(TopStyle style) => style switch
    {
        TopStyle.Title => new Style(decoration: Decoration.Bold),
        TopStyle.Head => new Style(Color.Blue),
        TopStyle.Selected => new Style(decoration: Decoration.Invert),
        TopStyle.Faint => new Style(decoration: Decoration.Dim),
        TopStyle.Wrong => new Style(Color.Red),
        _ => Style.Plain,
    };
}
