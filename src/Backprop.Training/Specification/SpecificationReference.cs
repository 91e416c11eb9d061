using System.Text;
using Backprop.Training.Specification.Reading;
using Backprop.Training.Specification.Schema;

namespace Backprop.Training.Specification;

/// <summary>The reference of every key, written from what the reader reads by:
/// docs/specification.md.</summary>
public static class SpecificationReference
{
    /// <summary>The reference as Markdown.</summary>
    public static string ToMarkdown()
    {
        var text = new StringBuilder(Introduction);
        var seen = new HashSet<IValueKind>(ReferenceEqualityComparer.Instance);
        var titles = new HashSet<string>(StringComparer.Ordinal);
        AppendSection(RunSchema.Run, 2, text, titles);
        Follow(RunSchema.Run, text, seen, titles);
        return text.ToString().ReplaceLineEndings("\n");
    }

    private const string Introduction = """
        # The run specification

        A run is one HOCON file: `backprop train hocon/runs/digits.conf`. This page lists every key;
        it is generated from the code that reads them, and a test keeps it so.

        - A key that is not listed here is a mistake, and so is a value out of its range. All
          mistakes of a file are reported at once, each with file, line, key and, where a word is
          near, what was probably meant.
        - Where one of several things is chosen (an optimizer, a layer), its name is the only key:
          `optimizer { adam { learning-rate = 1e-3 } }`. A name without options may stand alone:
          `activation = relu`. Where a section has a main key, its value may stand in the section's
          place: `dropout = 0.1` is `dropout { rate = 0.1 }`.
        - Paths of data are relative to the directory that the program is started in, or that a
          node is told to look in; paths of `include "other.conf"` to the file that they stand in.
          In a cluster they must lead into the directories that its nodes keep data in.
        - Files of data can be got by HTTP: `images = "https://host/images.gz#sha256=ab12..."`, in
          quotes, with the SHA-256 of the file as `sha256sum` prints it. A file is got once, kept in
          a cache below the user's `.backprop` directory, and verified whenever it is opened.
        - Where several files are named, `"train-{0000..0009}.tar"`, in quotes, stands for ten of
          them, with as many digits as the first number has.
        - `null` takes a value away that an included file has set: the default holds again.
        - HOCON's comments, dotted keys, substitutions (`${key}`, `${?key}`), `+=` and merging of
          repeated keys all work. Environment variables are not looked at: a run does not depend on
          them.


        """;

    private static void Follow(
        IValueKind kind, StringBuilder text, HashSet<IValueKind> seen, HashSet<string> titles)
    {
        foreach (IValueKind part in kind.Parts)
        {
            if (!seen.Add(part))
            {
                continue;
            }

            switch (part)
            {
                case IChoice choice:
                    AppendChoice(choice, text, titles);
                    foreach (ISection alternative in choice.Alternatives)
                    {
                        seen.Add(alternative);
                        Follow(alternative, text, seen, titles);
                    }

                    break;
                case ISection section:
                    AppendSection(section, 2, text, titles);
                    Follow(section, text, seen, titles);
                    break;
                default:
                    Follow(part, text, seen, titles);
                    break;
            }
        }
    }

    private static void AppendChoice(
        IChoice choice, StringBuilder text, HashSet<string> titles)
    {
        if (!titles.Add(choice.Name))
        {
            return;
        }

        text.Append($"## One {choice.Name}\n\n");
        foreach (ISection alternative in choice.Alternatives)
        {
            AppendKeys($"### `{alternative.Name}`", alternative, text);
        }
    }

    private static void AppendSection(
        ISection section, int level, StringBuilder text, HashSet<string> titles)
    {
        string title = $"{new string('#', level)} `{section.Name}`";
        if (titles.Add(title))
        {
            AppendKeys(title, section, text);
        }
    }

    private static void AppendKeys(string title, ISection section, StringBuilder text)
    {
        text.Append($"{title}\n\n{section.Meaning}\n\n");
        Key[] named = [.. section.Keys.Where(key => key.Name.Length > 0)];
        if (named.Length == 0)
        {
            return;
        }

        text.Append("| key | value | default | meaning |\n|---|---|---|---|\n");
        foreach (Key key in named)
        {
            string main = ReferenceEquals(key, section.MainKey) ? " (main key)" : "";
            text.Append($"| `{key.Name}`{main} | {Cell(key.Kind.Description)} ");
            text.Append($"| {Cell(key.DefaultText ?? "**required**")} | {Cell(key.Meaning)} |\n");
        }

        text.Append('\n');
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);
}
